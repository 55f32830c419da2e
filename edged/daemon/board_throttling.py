"""Why the board holds its clock down: now, and at any time since it was started. Reads /sys only, and starts no process.

Raspberry Pi: the firmware's eight bits, which `vcgencmd get_throttled` shows, from its file in /sys
(https://www.raspberrypi.com/documentation/computers/os.html#get_throttled), or the kernel's own under-voltage alarm where
there is no such file (Ubuntu, Debian: driver raspberrypi-hwmon). Jetson: the counters of over-current events
(NVIDIA Jetson Linux Developer Guide, "Overcurrent Throttling"). Any board: the kernel's cooling devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")

UNDER_VOLTAGE = "under-voltage"
OVER_CURRENT = "over-current"
SOFT_LIMIT = "soft temperature limit"
_KERNEL = "clock lowered by the kernel"
# Bits of now; the same ones 16 higher: since the board was started.
_PI_BITS = {0: UNDER_VOLTAGE, 1: "frequency capped", 2: "throttled", 3: SOFT_LIMIT}
_PI_SINCE_BOOT = 16
# The name of the bus differs between boards: soc on a Pi 4, soc@107c000000 on a Pi 5.
_PI_FIRMWARE = "sys/devices/platform/soc*/soc*:firmware/get_throttled"
_PI_ALARM_NAME = "rpi_volt"
_JETSON_COUNTERS = "sys/class/hwmon/hwmon*/oc*_event_cnt"
_POWER_CURE = "use a better power supply, and a short, thick cable"
_CURES = {
    UNDER_VOLTAGE: _POWER_CURE,
    OVER_CURRENT: "use a stronger power supply, or a mode that takes less: sudo nvpmodel -q lists them",
}
POWER = tuple(_CURES)
_HEAT_CURE = "cool the board: a heat sink, a fan, air"


@dataclass(frozen=True)
class Throttling:
    """Plain words. now: what holds the clock down at this moment; since_boot: what did at any time since then."""

    now: tuple[str, ...]
    since_boot: tuple[str, ...]


class ThrottlingWatch:
    """Remembers what it saw: a counter tells of now only by having grown, and the kernel clears the firmware's memory."""

    def __init__(self, root: Path = ROOT) -> None:
        """root: for tests, another place with the same files."""
        self._root = root
        self._counts: dict[str, int] = {}
        self._seen: dict[str, None] = {}

    def look(self) -> Throttling | None:
        """As it is; `None`: cannot be told here."""
        # The alarm is the same as the firmware's first bit, seconds later.
        told = (self._firmware() or self._alarm(), self._counters(), self._cooling())
        found = [each for each in told if each is not None]
        if not found:
            return None
        now = dict.fromkeys(reason for each in found for reason in each.now)
        for each in found:
            self._seen.update(dict.fromkeys([*each.since_boot, *each.now]))
        return Throttling(tuple(now), tuple(self._seen))

    def _firmware(self) -> Throttling | None:
        for path in sorted(self._root.glob(_PI_FIRMWARE)):
            try:
                bits = int(_text(path) or "", 16)
            except ValueError:
                continue
            return Throttling(
                tuple(name for bit, name in _PI_BITS.items() if bits >> bit & 1),
                tuple(name for bit, name in _PI_BITS.items() if bits >> (bit + _PI_SINCE_BOOT) & 1),
            )
        return None

    def _alarm(self) -> Throttling | None:
        for name in sorted((self._root / "sys/class/hwmon").glob("hwmon*/name")):
            if _text(name) != _PI_ALARM_NAME:
                continue
            alarm = _number(name.with_name("in0_lcrit_alarm"))
            if alarm is not None:
                return Throttling((UNDER_VOLTAGE,) if alarm else (), ())
        return None

    def _counters(self) -> Throttling | None:
        told = grown = counted = False
        for path in sorted(self._root.glob(_JETSON_COUNTERS)):
            count = _number(path)
            if count is None:
                continue
            told = True
            grown |= count > self._counts.get(str(path), count)
            counted |= count > 0
            self._counts[str(path)] = count
        return Throttling((OVER_CURRENT,) if grown else (), (OVER_CURRENT,) if counted else ()) if told else None

    def _cooling(self) -> Throttling | None:
        told = lowered = False
        for kind in sorted((self._root / "sys/class/thermal").glob("cooling_device*/type")):
            if not _holds_the_clock(_text(kind) or ""):
                continue  # a fan at work is no throttling
            state = _number(kind.with_name("cur_state"))
            if state is not None:
                told = True
                lowered |= state > 0
        return Throttling((_KERNEL,) if lowered else (), ()) if told else None


def cure(reasons: tuple[str, ...]) -> str:
    """What to do against all of these, the power first: a bad supply looks like heat, and heat never like a bad supply."""
    found = dict.fromkeys(_CURES[reason] for reason in reasons if reason in _CURES)
    return "; ".join(found) or _HEAT_CURE


def _holds_the_clock(kind: str) -> bool:
    """cpufreq-cpu0, thermal-cpufreq-0 of processors, devfreq-… of graphics; Processor as ACPI names it."""
    return "cpufreq" in kind or "devfreq" in kind or kind == "Processor"


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
