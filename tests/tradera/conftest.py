"""The fixtures these tests share with the others over real stores and simulators."""

from tests.fixtures import desk, post, shop, simulator

__all__ = ["desk", "post", "shop", "simulator"]
