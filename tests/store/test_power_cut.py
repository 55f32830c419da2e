"""The plug is pulled: what counts is what has reached the card.

The card is an ext4 in a file on a loop device. A copy of that file at any moment is what a power cut at that moment
leaves: it lacks everything that the page cache holds. The copy is mounted, the journal is replayed, the outbox opened.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.bus.outbox import OutgoingEvent
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class Card:
    def __init__(self, image: Path) -> None:
        self.image = image
        self.mounted = image.with_suffix("")
        self.mounted.mkdir()

    def format(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(16 * 1024 * 1024)
        run("mkfs.ext4", "-q", str(self.image))

    def mount(self) -> None:
        run("mount", "-o", "loop,noatime", str(self.image), str(self.mounted))

    def unmount(self) -> None:
        run("umount", str(self.mounted))

    def after_a_power_cut(self, name: str) -> Card:
        """What would be found now."""
        other = Card(self.image.with_name(name))
        shutil.copyfile(self.image, other.image)
        return other


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    if os.geteuid() or not shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        pytest.skip("mounting an image needs root and mkfs.ext4")
    made = Card(tmp_path / "card.img")
    made.format()
    try:
        made.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device can be mounted here: {error.stderr.decode().strip()}")
    yield made
    made.unmount()


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


def test_a_security_event_is_on_the_card_when_add_returns(card: Card) -> None:
    outbox = SqliteOutbox(Database(card.mounted / "front.db"), batch_seconds=60)
    try:
        for number in range(5):
            outbox.add(event("blink", number))
            outbox.add(event("security", number))
            before = [f"{kind} {each}".encode() for each in range(number + 1) for kind in ("blink", "security")]
            assert payloads(card.after_a_power_cut(f"cut{number}.img")) == before
    finally:
        outbox.close()


def test_a_blink_may_be_lost_within_the_window_and_not_after_it(card: Card) -> None:
    outbox = SqliteOutbox(Database(card.mounted / "front.db"), batch_seconds=0.5)
    try:
        outbox.add(event("security", 0))
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
