"""The fixtures these tests share with the others over the real API, real stores and simulators."""

from tests.api.conftest import api, open_api
from tests.fixtures import desk, simulator

__all__ = ["api", "desk", "open_api", "simulator"]
