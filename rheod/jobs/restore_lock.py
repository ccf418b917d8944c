"""Which classes of an account's Tradera calls wait while a takeover is under way after a restore.

The takeover in the store decides; this is its copy in memory.
"""

from __future__ import annotations

from rheod.domain.model import CallClass
from rheod.domain.text import Text
from rheod.store.accounts import Takeover

_ALL_BUT_THE_LOOK = frozenset(CallClass) - {CallClass.TAKEOVER}
BLIND = Text(
    "After a restore Tradera does not tell which ads are rheod's: compare them with rheod's items, then"
    " `rheod restore --compared`"
)
LOOKING = Text("After a restore rheod first looks at what Tradera has")


class RestoreLock:
    """Open without a takeover. Before the first look at Tradera all else is closed, after it publishing alone."""

    def __init__(self, takeover: Takeover | None = None) -> None:
        self.closed: frozenset[CallClass] = frozenset()
        self.takeover: Takeover | None = None
        self.set(takeover)

    def set(self, takeover: Takeover | None) -> None:
        """Close and open as the takeover demands."""
        self.takeover = takeover
        if takeover is None:
            self.closed = frozenset()
        elif takeover.looked:
            self.closed = frozenset({CallClass.PUBLISH})
        else:
            self.closed = _ALL_BUT_THE_LOOK

    @property
    def reason(self) -> Text | None:
        """Why nothing is published, None when it is open."""
        if self.takeover is None:
            return None
        return BLIND if self.takeover.blind else LOOKING
