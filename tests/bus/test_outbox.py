from __future__ import annotations

from edged.bus.outbox import MemoryOutbox
from tests.bus.outbox_suite import OutboxSuite, numbers, outgoing


class TestMemoryOutbox(OutboxSuite):
    def make(self, limit_count: int = 100, limit_bytes: int = 1_000_000) -> MemoryOutbox:
        return MemoryOutbox(limit_count, limit_bytes)


def test_an_event_larger_than_all_the_room_is_lost_alone() -> None:
    outbox = MemoryOutbox(limit_bytes=1000)
    outbox.add(outgoing(1, size=2000))
    outbox.add(outgoing(2))
    assert numbers(outbox) == [2]
    assert outbox.lost == 1
