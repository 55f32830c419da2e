"""Whether the kernel keeps to the units' MemoryHigh= and MemoryMax=: Raspberry Pi OS switches that off at boot, silently."""

from __future__ import annotations

from pathlib import Path


def memory_can_be_limited(root: Path = Path("/")) -> bool | None:
    """None: cannot be told here, as where systemd has not booted the machine, or has cgroups of version 1."""
    if not (root / "run/systemd/system").is_dir():
        return None
    try:
        controllers = (root / "sys/fs/cgroup/cgroup.controllers").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return "memory" in controllers.split()
