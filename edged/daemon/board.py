"""What the board says of itself: temperature, throttling, and what a process costs. Reads /sys and /proc only.

Each reading is `None` where the kernel does not tell. `root` is for tests: another place with the same files.
"""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path("/")
# Bits of the Raspberry Pi firmware's get_throttled that are true now: under-voltage, frequency capped, throttled,
# soft temperature limit. https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
_PI_NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_PI_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"


def temperature_celsius(root: Path = _ROOT) -> float | None:
    """The hottest thermal zone of the processor."""
    found = []
    for zone in (root / "sys/class/thermal").glob("thermal_zone*/temp"):
        value = _number(zone)
        # Zones that are switched off read 0, nonsense or an error.
        if value is not None and 1_000 < value < 150_000:
            found.append(value / 1000)
    return max(found, default=None)


def throttling(root: Path = _ROOT) -> list[str] | None:
    """Why the clock is held down right now; empty: it is not; `None`: cannot be told here."""
    reasons: list[str] = []
    told = False
    text = _text(root / _PI_FIRMWARE)
    if text is not None:
        try:
            bits = int(text, 16)
        except ValueError:
            pass
        else:
            told = True
            reasons += [name for bit, name in _PI_NOW.items() if bits >> bit & 1]
    for kind in (root / "sys/class/thermal").glob("cooling_device*/type"):
        name = _text(kind) or ""
        if "cpufreq" not in name and name != "Processor":
            continue  # a fan at work is no throttling
        state = _number(kind.with_name("cur_state"))
        if state is not None:
            told = True
            if state > 0 and "clock lowered by the kernel" not in reasons:
                reasons.append("clock lowered by the kernel")
    return reasons if told else None


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


def _number(path: Path) -> int | None:
    try:
        return int(_text(path) or "")
    except ValueError:
        return None
