"""A process that fills an outbox until it is killed: `python -m tests.store.writer DATABASE FIRST BATCH_SECONDS`.

Prints `added NUMBER KEY` once `add` has returned, `settling NUMBER` before an event is acknowledged and `settled NUMBER`
after that.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
from pathlib import Path

from edged.bus.outbox import OutgoingEvent
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox

KINDS = ("blink", "gaze", "dwell", "security")


def main(arguments: list[str]) -> None:
    """Write for ever."""
    path, first, batch_seconds = arguments
    outbox = SqliteOutbox(Database(Path(path)), batch_seconds=float(batch_seconds))
    chance = random.Random(int(first))
    mine: list[tuple[int, int]] = []
    for number in itertools.count(int(first)):
        kind = KINDS[number % len(KINDS)]
        key = outbox.add(OutgoingEvent(f"e/{kind}", kind, json.dumps({"number": number}).encode(), number))
        print("added", number, key, flush=True)
        mine.append((number, key))
        if chance.random() < 0.3:
            settled, settled_key = mine.pop(chance.randrange(len(mine)))
            print("settling", settled, flush=True)
            outbox.acknowledge([settled_key])
            print("settled", settled, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
