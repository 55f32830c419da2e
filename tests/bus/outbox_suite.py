"""What every Outbox must do. A test file of an implementation subclasses `OutboxSuite` and says how to make one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from edged.bus.outbox import Outbox, OutgoingEvent


def outgoing(number: int, size: int = 10) -> OutgoingEvent:
    return OutgoingEvent("edged/camera/front/event/blink", "blink", str(number).ljust(size).encode(), number)


def numbers(outbox: Outbox, after: int = 0, limit: int = 1000) -> list[int]:
    return [int(event.payload) for _, event in outbox.pending(after, limit)]


class OutboxSuite(ABC):
    @abstractmethod
    def make(self, limit_count: int = 100, limit_bytes: int = 1_000_000) -> Outbox:
        """An empty outbox."""

    def test_returns_events_in_order_until_acknowledged(self) -> None:
        outbox = self.make()
        keys = [outbox.add(outgoing(number)) for number in range(5)]
        assert keys == sorted(set(keys))
        assert keys[0] > 0
        assert numbers(outbox) == [0, 1, 2, 3, 4]
        outbox.acknowledge([keys[1], keys[3]])
        assert numbers(outbox) == [0, 2, 4]
        assert len(outbox) == 3
        outbox.close()

    def test_keeps_every_part_of_an_event(self) -> None:
        outbox = self.make()
        event = OutgoingEvent("edged/camera/ü/event/gaze", "gaze", b'{"a": "\xc3\xbc"}', 2**62)
        key = outbox.add(event)
        assert outbox.pending(0, 1) == [(key, event)]
        outbox.close()

    def test_goes_on_after_a_key(self) -> None:
        outbox = self.make()
        keys = [outbox.add(outgoing(number)) for number in range(10)]
        assert numbers(outbox, after=keys[3], limit=3) == [4, 5, 6]
        assert numbers(outbox, after=keys[9]) == []
        outbox.close()

    def test_full_by_count_drops_the_oldest_and_counts_them(self) -> None:
        outbox = self.make(limit_count=3)
        for number in range(5):
            outbox.add(outgoing(number))
        assert numbers(outbox) == [2, 3, 4]
        assert outbox.lost == 2
        outbox.close()

    def test_full_by_bytes_drops_the_oldest(self) -> None:
        outbox = self.make(limit_bytes=3 * (1000 + 100))
        for number in range(5):
            outbox.add(outgoing(number, size=1000))
        assert numbers(outbox) == [2, 3, 4]
        assert outbox.lost == 2
        outbox.close()

    def test_acknowledged_room_is_room_again(self) -> None:
        outbox = self.make(limit_count=3, limit_bytes=3 * (1000 + 100))
        for number in range(20):
            outbox.acknowledge([outbox.add(outgoing(number, size=1000))])
        assert (len(outbox), outbox.lost) == (0, 0)
        outbox.close()

    def test_strange_keys_are_passed_over(self) -> None:
        outbox = self.make(limit_count=1)
        first = outbox.add(outgoing(1))
        outbox.add(outgoing(2))
        outbox.acknowledge([first, first, 12345])
        assert numbers(outbox) == [2]
        outbox.close()

    def test_serves_several_threads(self) -> None:
        outbox = self.make(limit_count=10_000)
        seen: list[int] = []

        def take() -> None:
            after = 0
            while len(seen) < 400:
                for key, event in outbox.pending(after, 7):
                    after = key
                    seen.append(int(event.payload))
                    outbox.acknowledge([key])

        taker = threading.Thread(target=take)
        taker.start()
        adders = [
            threading.Thread(target=lambda: [outbox.add(outgoing(number)) for number in range(100)]) for _ in range(4)
        ]
        for adder in adders:
            adder.start()
        for adder in adders:
            adder.join()
        taker.join(20)
        assert sorted(seen) == sorted(list(range(100)) * 4)
        assert len(outbox) == 0
        outbox.close()
