"""A writer that is killed at any moment loses nothing that it was told is kept."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edged.store.database import Database
from edged.store.outbox import SqliteOutbox

ROOT = Path(__file__).resolve().parents[2]
KILLS = 25


def killed_writer(path: Path, first: int, batch_seconds: float, seconds: float) -> list[list[str]]:
    """Run a writer, kill it after its first words and so many seconds; what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.writer", str(path), str(first), str(batch_seconds)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        begun = process.stdout.readline()
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()
    process.wait()
    # The last line may have been cut.
    return [line.split() for line in (begun + rest).splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.slow
@pytest.mark.parametrize("batch_seconds", [0.0, 0.05, 60.0])
def test_nothing_is_lost_order_stays_and_keys_rise_over_many_kills(tmp_path: Path, batch_seconds: float) -> None:
    path = tmp_path / "front.db"
    chance = random.Random(7)
    waiting: dict[int, int] = {}  # number -> key of what must be there
    settled: set[int] = set()
    first = highest_key = 0
    for kills in range(1, KILLS + 1):
        for word, number, *key in killed_writer(path, first, batch_seconds, chance.uniform(0.0, 0.12)):
            if word == "added":
                assert int(key[0]) > highest_key
                highest_key = int(key[0])
                waiting[int(number)] = highest_key
            elif word == "settling":
                # From here on it may be gone: nobody can tell whether the kill came before or after.
                del waiting[int(number)]
                settled.add(int(number))
        outbox = SqliteOutbox(Database(path))
        found = {json.loads(event.payload)["number"]: key for key, event in outbox.pending(0, 1_000_000)}
        outbox.close()
        assert waiting.items() <= found.items()
        assert list(found) == sorted(found)
        assert list(found.values()) == sorted(found.values())
        # More than was told: the one that was under way, and those whose acknowledgement was not on the disk yet.
        unknown = found.keys() - waiting.keys() - settled
        assert len(unknown) <= 1
        waiting.update({number: found[number] for number in unknown})
        highest_key = max([highest_key, *found.values()])
        first = max([first, *waiting, *settled]) + 1
        if batch_seconds == 0:
            assert len(found.keys() & settled) <= kills  # each cut at most one acknowledgement short
    assert len(waiting) > KILLS


def test_what_was_acknowledged_before_the_last_batch_does_not_come_again(tmp_path: Path) -> None:
    path = tmp_path / "front.db"
    said = killed_writer(path, 0, 0.05, 1.0)
    settled = [int(number) for word, number, *_ in said if word == "settled"]
    outbox = SqliteOutbox(Database(path))
    found = {json.loads(event.payload)["number"] for _, event in outbox.pending(0, 1_000_000)}
    outbox.close()
    again = [number for number in settled if number in found]
    assert len(settled) > 20
    # Of a second with a batch every twentieth, the last few only: as many as one batch holds, or two where it was busy.
    assert again == settled[len(settled) - len(again) :]
    assert len(again) < len(settled) / 2
