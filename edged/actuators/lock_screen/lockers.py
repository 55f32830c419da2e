"""Lockers that tell nobody that they have locked, and run exactly as long as they do: swaylock, i3lock and the like."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

PROC = Path("/proc")
# A locker that fails, over a wrong option or a missing screen, is gone by then.
SETTLED_SECONDS = 0.5


def running_locker(uid: int, names: Collection[str]) -> str | None:
    """The name of such a program that has been running as this user for a moment; None: there is none to be seen."""
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if entry.stat().st_uid != uid:
                continue
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended meanwhile, or is none of our business
        # pid (name) state …: the name may contain anything, parentheses too. See proc_pid_stat(5).
        name = stat[stat.index("(") + 1 : stat.rindex(")")]
        fields = stat[stat.rindex(")") + 2 :].split()
        if name in names and fields[0] != "Z" and _age_seconds(int(fields[19])) >= SETTLED_SECONDS:
            return name
    return None


def _age_seconds(started_ticks: int) -> float:
    uptime = float((PROC / "uptime").read_text(encoding="ascii").split()[0])
    return uptime - started_ticks / os.sysconf("SC_CLK_TCK")
