"""How hot the board is, and how hot it may become. Reads /sys only; throttling is `board_throttling`'s.

Each reading is `None` where the kernel does not tell. `root` is for tests: another place with the same files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")
_MODEL = "sys/firmware/devicetree/base/model"
# The firmware slows the processor at the soft limit: of these boards at 60 °C, of all other Raspberry Pis at 80 °C.
# https://www.raspberrypi.com/documentation/computers/config_txt.html#temp_soft_limit
_LIMIT_CELSIUS = 80.0
_EARLY_LIMIT_CELSIUS = 60.0
_EARLY = ("Raspberry Pi 3 Model B Plus", "Raspberry Pi 3 Model A Plus")
# Trip points below this are of a case or a battery, or nonsense of the firmware's, and not of a processor.
_LEAST_TRIP_CELSIUS = 55.0


@dataclass(frozen=True)
class Zone:
    """One thermal zone. name: as the kernel has it, such as `cpu-thermal`. limit_celsius: where the kernel slows
    something down because of it (its lowest passive trip point); None: it does not say.
    """

    name: str
    celsius: float
    limit_celsius: float | None


def zones(root: Path = _ROOT) -> list[Zone]:
    """All that read something sensible."""
    found = []
    for path in sorted((root / "sys/class/thermal").glob("thermal_zone*/temp")):
        value = _number(path)
        # Zones that are switched off read 0, nonsense or an error.
        if value is not None and 1_000 < value < 150_000:
            name = _text(path.with_name("type")) or path.parent.name
            found.append(Zone(name, value / 1000, _passive_celsius(path.parent)))
    return found


def temperature_celsius(root: Path = _ROOT) -> float | None:
    """The hottest thermal zone of the processor."""
    return max((zone.celsius for zone in zones(root)), default=None)


def headroom_celsius(limit_celsius: float | None = None, root: Path = _ROOT) -> float | None:
    """How far the nearest zone is below the temperature at which the board begins to slow itself down.

    limit_celsius: that temperature, of the owner's choice; None: what the zone says, else what is known of the board.
    """
    usual = board_limit_celsius(root)
    return min(
        (
            (limit_celsius if limit_celsius is not None else zone.limit_celsius or usual) - zone.celsius
            for zone in zones(root)
        ),
        default=None,
    )


def board_limit_celsius(root: Path = _ROOT) -> float:
    """Where a board of this model begins to slow itself down, if its zones do not say."""
    return _EARLY_LIMIT_CELSIUS if model(root).startswith(_EARLY) else _LIMIT_CELSIUS


def model(root: Path = _ROOT) -> str:
    """As the device tree says, such as `Raspberry Pi 5 Model B Rev 1.0`; empty on a PC."""
    return (_text(root / _MODEL) or "").rstrip("\0")


def _passive_celsius(zone: Path) -> float | None:
    found = []
    for kind in zone.glob("trip_point_*_type"):
        if _text(kind) == "passive":
            value = _number(kind.with_name(kind.name.removesuffix("type") + "temp"))
            if value is not None and value / 1000 >= _LEAST_TRIP_CELSIUS:
                found.append(value / 1000)
    return min(found, default=None)


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
