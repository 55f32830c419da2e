"""The plug is pulled: what counts is what has reached the card.

The card is an ext4 in a file on a loop device. A copy of that file at any moment is what a power cut at that moment
leaves: it lacks everything that the page cache holds. The copy is mounted, the journal is replayed, the outbox opened.
"""

from __future__ import annotations

import time

from edged.bus.outbox import OutgoingEvent
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox
from tests.store.conftest import Card


def payloads(card: Card) -> list[bytes]:
    card.mount()
    try:
        outbox = SqliteOutbox(Database(card.mounted / "front.db"))
        found = [event.payload for _, event in outbox.pending(0, 1000)]
        outbox.close()
        return found
    finally:
        card.unmount()


def event(kind: str, number: int) -> OutgoingEvent:
    return OutgoingEvent(f"e/{kind}", kind, f"{kind} {number}".encode(), None)


def handed_out(outbox: SqliteOutbox) -> None:
    """Wait until all that was added may be sent."""
    deadline = time.monotonic() + 10
    while len(outbox.pending(0, 1000)) < len(outbox):
        assert time.monotonic() < deadline, "it was not handed out"


def test_a_security_event_is_on_the_card_before_it_is_handed_out_to_be_sent(card: Card) -> None:
    outbox = SqliteOutbox(Database(card.mounted / "front.db"), batch_seconds=60)
    try:
        for number in range(5):
            outbox.add(event("blink", number))
            outbox.add(event("security", number))
            handed_out(outbox)
            before = [f"{kind} {each}".encode() for each in range(number + 1) for kind in ("blink", "security")]
            assert payloads(card.after_a_power_cut(f"cut{number}.img")) == before
    finally:
        outbox.close()


def test_a_blink_may_be_lost_within_the_window_and_not_after_it(card: Card) -> None:
    outbox = SqliteOutbox(Database(card.mounted / "front.db"), batch_seconds=0.5)
    try:
        outbox.add(event("security", 0))
        handed_out(outbox)
        outbox.add(event("blink", 1))
        # Nothing forced it out. Should the kernel have been quick, so much the better: it is all or nothing.
        assert payloads(card.after_a_power_cut("at once.img")) in ([b"security 0"], [b"security 0", b"blink 1"])
        time.sleep(3.0)  # six windows
        assert payloads(card.after_a_power_cut("later.img")) == [b"security 0", b"blink 1"]
    finally:
        outbox.close()


def test_keys_rise_over_a_power_cut_though_every_row_is_gone(card: Card) -> None:
    outbox = SqliteOutbox(Database(card.mounted / "front.db"), batch_seconds=60)
    outbox.add(event("security", 0))
    handed_out(outbox)
    cut = card.after_a_power_cut("cut.img")
    keys = [outbox.add(event("blink", number)) for number in range(5)]
    outbox.close()
    cut.mount()
    try:
        later = SqliteOutbox(Database(cut.mounted / "front.db"))
        later.acknowledge([key for key, _ in later.pending(0, 9)])
        assert later.add(event("blink", 9)) > keys[-1]
        later.close()
    finally:
        cut.unmount()
