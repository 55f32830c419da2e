"""What a process costs: memory and processor time, as the kernel counts them. Reads /proc only.

Each reading is `None` where the kernel does not tell. `root` is for tests: another place with the same files.
"""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path("/")


def pss_bytes(pid: int, root: Path = _ROOT) -> int | None:
    """Proportional set size of a process: its own memory and its share of what it shares."""
    text = _text(root / f"proc/{pid}/smaps_rollup")
    for line in (text or "").splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0]) * 1024
    return None


def cpu_seconds(pid: int, root: Path = _ROOT) -> float | None:
    """Processor time a process has used, user and system, without its children."""
    text = _text(root / f"proc/{pid}/stat")
    if text is None:
        return None
    # The name in brackets may contain anything, also brackets and blanks.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
