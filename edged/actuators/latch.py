"""The emergency stop: once closed it stays closed, over restarts and power cuts, until somebody opens it."""

from __future__ import annotations

import msgspec

from edged.actuators.durable import Ledger
from edged.errors import StoreError
from edged.events import iso_utc

_FACT = "emergency_stop"


class _Closed(msgspec.Struct, frozen=True):
    since: str
    reason: str


class Latch:
    """One actuator's emergency stop."""

    def __init__(self, ledger: Ledger) -> None:
        """Raises StoreError when the ledger cannot be read."""
        self._ledger = ledger
        kept = ledger.fact(_FACT)
        self._closed = None if kept is None else msgspec.json.decode(kept, type=_Closed)

    @property
    def closed(self) -> bool:
        """Nothing may be done."""
        return self._closed is not None

    @property
    def since(self) -> str | None:
        """UTC, ISO 8601; None when it is open."""
        return None if self._closed is None else self._closed.since

    @property
    def words(self) -> str:
        """Since when, and why."""
        return "" if self._closed is None else f"since {self._closed.since}: {self._closed.reason}"

    def close(self, reason: str, now: float) -> None:
        """Stop. It holds in this process even where the disk does not take it."""
        self._closed = self._closed or _Closed(iso_utc(int(now * 1e9)), reason)
        try:
            self._ledger.keep_fact(_FACT, msgspec.json.encode(self._closed))
        except StoreError:
            pass  # whatever else happens, it must stop now; the next write that fails is told

    def open(self) -> None:
        """Go on. Raises StoreError when that cannot be noted; it stays closed then."""
        self._ledger.keep_fact(_FACT, None)
        self._closed = None
