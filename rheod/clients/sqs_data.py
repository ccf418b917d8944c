"""What AWS's library is given to find SQS by, in place of its list of every service in every region.

That list is a megabyte of JSON, seven in memory for as long as the daemon runs; SQS's addresses all follow the rule of
their partition. Importing this loads AWS's library, so `sqs.py` does that when the queue is opened.
"""

from __future__ import annotations

from typing import Any

from botocore.loaders import Loader

_LIST = "endpoints"
_RULE = {
    "hostname": "{service}.{region}.{dnsSuffix}",
    "protocols": ["http", "https"],
    "signatureVersions": ["v4"],
}


class SmallLoader(Loader):  # type: ignore[misc]  # the library has no types
    """Reads the library's data as ever, but that list."""

    def load_data_with_path(self, name: str) -> Any:
        """The data of this name and where it was found."""
        if name != _LIST:
            return super().load_data_with_path(name)
        partitions, path = super().load_data_with_path("partitions")
        return {"version": 3, "partitions": [_partition(each) for each in partitions["partitions"]]}, path


def _partition(told: dict[str, Any]) -> dict[str, Any]:
    """A partition as the list has it, without its services."""
    return {
        "partition": told["id"],
        "regionRegex": told["regionRegex"],
        "dnsSuffix": told["outputs"]["dnsSuffix"],
        "regions": told["regions"],
        "defaults": _RULE,
        "services": {},
    }
