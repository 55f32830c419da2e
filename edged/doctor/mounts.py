"""What of a folder outlives a reboot: a root that is protected by an overlay, or a folder in memory, forgets.

Reads /proc/self/mountinfo only (proc_pid_mountinfo(5)).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_IN_MEMORY = ("tmpfs", "ramfs")


@dataclass(frozen=True)
class Mount:
    """One line. upper: of an overlay, the folder that takes what is written; empty otherwise."""

    point: str
    kind: str
    upper: str = ""


def mounts(root: Path = Path("/")) -> list[Mount]:
    """In the order in which they were mounted; none where the kernel does not tell."""
    try:
        text = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind_fields = before.split(), after.split()
        if len(fields) < 5 or len(kind_fields) < 3:
            continue
        upper = re.search(r"(?:^|,)upperdir=([^,]+)", kind_fields[2])
        found.append(Mount(_plain(fields[4]), kind_fields[0], _plain(upper[1]) if upper else ""))
    return found


def mount_of(path: Path, there: list[Mount]) -> Mount | None:
    """The one that holds a path: the deepest, of those at the same place the last."""
    holding = [mount for mount in there if path.is_relative_to(mount.point)]
    return max(enumerate(holding), key=lambda each: (len(Path(each[1].point).parts), each[0]))[1] if holding else None


def why_lost(path: Path, there: list[Mount]) -> str:
    """Why what is written below a path is gone after a reboot; empty: it stays, as far as can be told. path: absolute."""
    mount = mount_of(path, there)
    if mount is None:
        return ""
    if mount.kind in _IN_MEMORY:
        return f"{mount.point} is in memory ({mount.kind})"
    if mount.kind != "overlay":
        return ""
    below = mount_of(Path(mount.upper), there) if mount.upper.startswith("/") else None
    if below is None or below.point == mount.point:
        # As raspi-config and overlayroot make it, and containers: what takes the changes cannot be seen from here.
        return f"{mount.point} is an overlay, whose changes are most often in memory"
    return f"{mount.point} is an overlay, whose changes are in memory" if below.kind in _IN_MEMORY else ""


def _plain(field: str) -> str:
    """Blanks and the like stand as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
