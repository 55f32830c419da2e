"""`edged vacuum`: databases written anew without what nothing uses."""

from __future__ import annotations

import contextlib

from edged.care.places import databases, places
from edged.cli.backup import SettingsFolder, StateFolder
from edged.errors import StoreError
from edged.store.database import vacuum as write_anew
from edged.store.directory import InstanceLock
from edged.store.swap import claim


def vacuum(settings: SettingsFolder = None, state: StateFolder = None) -> None:
    """Write every database anew without the room that nothing uses. What uses the folder must be stopped before.

    Seldom needed: daemons give room back by themselves, a little at a time, and rewrite small files of older versions
    when they open them.
    """
    folder = places(settings, state).state
    if not folder.is_dir():
        raise StoreError(f"{folder} is not there: nothing has been kept yet (--state FOLDER)")
    with contextlib.ExitStack() as stack:
        stack.enter_context(claim(folder))
        for lock in sorted(folder.glob("*.lock")):
            if not lock.name.startswith("."):
                stack.enter_context(InstanceLock(folder, lock.stem, restoring=True))
        found = list(databases(folder))
        if not found:
            print(f"there is no database in {folder}")
        for path, _ in found:
            before, after = write_anew(path)
            print(f"{path.name:<40} {before:>12} -> {after:>12} bytes")
