"""A swap that is killed at every single step: `python -m tests.care.killed_swap FOLDER [USER_ID]`.

Two folders are filled, a child process begins to swap their files, and is killed before (or in the middle of) its Nth call to
the file system; then somebody settles. One JSON line for each N: who settled, and what stood there then. Runs alone, for it forks.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edged.errors import RestoreUnfinished
from edged.store.swap import Swap, claim, discard, settle

CALLS = ("rename", "replace", "link", "unlink", "mkdir", "rmdir", "fsync", "write", "chown", "fchown")
STATE = ("gallery.db", "gallery.key", "front.kept.json")
SETTINGS = ("front.toml", "sub/typing.toml", "new.toml")


def main(arguments: list[str]) -> None:
    """Until a child ends by itself."""
    folder = Path(arguments[0])
    user = int(arguments[1]) if len(arguments) > 1 else os.geteuid()
    number = 0
    while True:
        number += 1
        state, settings = folder / str(number) / "state", folder / str(number) / "settings"
        fill(state, settings)
        if user != os.geteuid():
            for path in (folder, folder / str(number)):
                path.chmod(0o755)
            os.chown(state, user, user)
            for path in state.iterdir():
                os.chown(path, user, user)
        status = in_child(lambda n=number, s=state, t=settings: swap(s, t, n))  # type: ignore[misc]
        seen_by_user = in_child(lambda s=state: settle_as(user, s))  # type: ignore[misc]
        half = contents(state, settings) if seen_by_user != REFUSED else {}
        with claim(state):
            pass  # the dead hold nothing
        settle(state)
        discard(settings)
        print(json.dumps({
            "killed": os.WIFSIGNALED(status), "refused": seen_by_user == REFUSED, "then": half,
            "at_last": contents(state, settings), "left": leftovers(state, settings),
        }), flush=True)  # fmt: skip
        shutil.rmtree(folder / str(number))
        if not os.WIFSIGNALED(status):
            return


REFUSED = 7 << 8


def fill(state: Path, settings: Path) -> None:
    """What was there before."""
    state.mkdir(parents=True)
    (settings / "sub").mkdir(parents=True)
    for name in (*STATE, "gallery.db-wal", "other.db"):
        (state / name).write_text("old")
    for name in ("front.toml", "sub/typing.toml"):
        (settings / name).write_text("old")


def swap(state: Path, settings: Path, number: int) -> None:
    """To be killed at call `number`."""
    count = 0

    def counted(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                if name == "write":
                    real(arguments[0], bytes(arguments[1])[:7])  # half of it
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name), name))
    with claim(state):
        prepared = Swap(state)
        for root, names in ((state, STATE), (settings, SETTINGS)):
            for name in names:
                prepared.place(root, name).write_text("new")
        for name in STATE:
            os.chown(state / ".edged-restore/new" / name, state.stat().st_uid, state.stat().st_gid)
        prepared.commit()


def settle_as(user: int, state: Path) -> None:
    """What a daemon does at its start."""
    if user != os.geteuid():
        os.setgid(user)
        os.setuid(user)
    try:
        settle(state)
    except RestoreUnfinished:
        os._exit(7)


def contents(state: Path, settings: Path) -> dict[str, str]:
    """What stands in each file."""
    return {
        str(path.relative_to(root.parent)): path.read_text()
        for root in (state, settings)
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".edged-restore" not in str(path)
    }


def leftovers(state: Path, settings: Path) -> list[str]:
    """What no swap should leave."""
    return [str(path) for root in (state, settings) for path in root.glob(".edged-restore") if path.exists()]


def in_child(work: Callable[[], None]) -> int:
    """The status of a child that did it."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    main(sys.argv[1:])
