"""A process that asks an engine for jobs until it is killed: `python -m tests.actuators.killed_asker FOLDER SEED`.

Prints `begin ID` when a job is begun, and its end and id when that is told.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from edged.actuators.effects import Begin, Effect, Tell
from edged.jobs import FINAL
from tests.actuators.bench import NOON, Bench


def say(effects: list[Effect]) -> None:
    """As the world hears it."""
    for effect in effects:
        if isinstance(effect, Begin):
            print("begin", effect.wish.id, flush=True)
        elif isinstance(effect, Tell) and effect.state.state in FINAL:
            print(effect.state.state, effect.state.id, flush=True)


def main(arguments: list[str]) -> None:
    """Ask for ever."""
    folder, seed = arguments
    bench = Bench(Path(folder))
    for told in bench.told:
        print(told.state, told.id, flush=True)
    bench.now = type(bench.now)(NOON + 1000 * int(seed), time.monotonic())
    while True:
        order = bench.order("do")
        say(bench.carry(bench.engine.submit(order, bench.now)))
        if bench.engine.running:
            bench.end()
            say(bench.effects)


if __name__ == "__main__":
    main(sys.argv[1:])
