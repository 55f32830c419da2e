"""The sitter's scripts: TOML made into a timeline.

A script is a `[sitter]` table (where the face is, the light, the noise, the seed, how long until it starts over)
and a list of `[[do]]` tables, one per act, each with `at` in seconds and `what`. `sitter_demo.toml` shows all.
Pure but for `load`, which reads a file: the truth needs no drawing.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from edged.capture.sitter_timeline import LOOKS, Closure, Gesture, Happened, Script, Track, Truth, ease_inverse
from edged.errors import SettingProblem, SettingsError
from edged.toml_file import read_toml

__all__ = ["LOOKS", "Happened", "Script", "Truth", "load", "parse"]

SACCADE_SECONDS = 0.06
# The head goes along with a look by this share, and takes longer about it than the eyes.
_FOLLOWS_YAW, _FOLLOWS_PITCH = 0.15, 0.35
_FOLLOW_SECONDS = 0.25
_SINGLE_UP_TO_SECONDS = 0.6
_LONG_FROM_SECONDS = 0.8

_NUMBER = (int, float)
_SITTER_KEYS: dict[str, tuple[Any, Any, float, float]] = {
    "title": (str, "", 0, 0),
    "seed": (int, 1, 0, 2**31),
    "duration_seconds": (_NUMBER, 30.0, 0.5, 86400.0),
    "x": (_NUMBER, 0.5, -1.0, 2.0),
    "y": (_NUMBER, 0.46, -1.0, 2.0),
    "width": (_NUMBER, 0.3, 0.02, 0.9),
    "sway": (_NUMBER, 1.0, 0.0, 10.0),
    "follow": (_NUMBER, 1.0, 0.0, 2.0),
    "light": (_NUMBER, 1.0, 0.0, 2.0),
    "noise": (_NUMBER, 1.5, 0.0, 40.0),
    "present": (bool, False, 0, 0),
}
_SECONDS = (_NUMBER, 0.7, 0.0, 3600.0)
_ANGLE = (_NUMBER, None, -90.0, 90.0)
_ACTS: dict[str, dict[str, tuple[Any, Any, float, float]]] = {
    "arrive": {"seconds": _SECONDS, "from": (str, "left", 0, 0)},
    "leave": {"seconds": _SECONDS, "to": (str, "right", 0, 0)},
    "blink": {
        "times": (int, 1, 1, 3),
        "closing_seconds": (_NUMBER, 0.07, 0.01, 10.0),
        "shut_seconds": (_NUMBER, 0.06, 0.0, 600.0),
        "opening_seconds": (_NUMBER, 0.1, 0.01, 10.0),
        "pause_seconds": (_NUMBER, 0.14, 0.05, 10.0),
    },
    "wink": {
        "side": (str, "left", 0, 0),
        "closing_seconds": (_NUMBER, 0.09, 0.01, 10.0),
        "shut_seconds": (_NUMBER, 0.18, 0.0, 600.0),
        "opening_seconds": (_NUMBER, 0.12, 0.01, 10.0),
    },
    "look": {
        "zone": (str, "", 0, 0),
        "yaw_degrees": _ANGLE,
        "pitch_degrees": _ANGLE,
        "seconds": (_NUMBER, SACCADE_SECONDS, 0.01, 60.0),
    },
    "turn": {"yaw_degrees": _ANGLE, "pitch_degrees": _ANGLE, "roll_degrees": _ANGLE, "seconds": _SECONDS},
    "move": {
        "x": (_NUMBER, None, -1.0, 2.0),
        "y": (_NUMBER, None, -1.0, 2.0),
        "width": (_NUMBER, None, 0.02, 0.9),
        "seconds": _SECONDS,
    },
    "light": {"level": (_NUMBER, 1.0, 0.0, 2.0), "seconds": _SECONDS},
}
_CHOICES = {"from": ("left", "right"), "to": ("left", "right"), "side": ("left", "right"), "zone": tuple(LOOKS)}


def load(path: Path) -> Script:
    """Read a script. Raises SettingsError with all that is wrong with the file or in it."""
    return parse(read_toml(path), str(path))


def parse(table: dict[str, Any], origin: str = "sitter script") -> Script:
    """Make a timeline of a script's table. Raises SettingsError with all that is wrong in it."""
    problems: list[SettingProblem] = []
    _refuse_unknown(table, ("sitter", "do"), "", problems)
    sitter = _checked(table.get("sitter", {}), _SITTER_KEYS, "sitter", problems)
    acts: list[dict[str, Any]] = []
    listed = table.get("do", [])
    if not isinstance(listed, list):
        problems.append(SettingProblem("do", None, "must be a list of tables", "write [[do]]"))
        listed = []
    for index, given in enumerate(listed):
        where = f"do[{index}]"
        what = given.get("what") if isinstance(given, dict) else None
        if what not in _ACTS:
            problems.append(SettingProblem(f"{where}.what", what, "is nothing the sitter can do", _near(what, _ACTS)))
            continue
        keys = {"at": (_NUMBER, None, 0.0, 86400.0), "what": (str, what, 0, 0), **_ACTS[what]}
        act = _checked(given, keys, where, problems)
        if act.get("at") is None:
            problems.append(SettingProblem(f"{where}.at", None, "is missing", "seconds since the start"))
        act["where"] = where
        acts.append(act)
    if problems:
        raise SettingsError(problems, origin)
    builder = _Builder(sitter)
    for act in sorted(acts, key=lambda one: float(one["at"])):
        builder.add(act)
    return builder.finish(origin)


def _checked(
    given: Any, keys: dict[str, tuple[Any, Any, float, float]], where: str, problems: list[SettingProblem]
) -> dict[str, Any]:
    if not isinstance(given, dict):
        problems.append(SettingProblem(where, given, "must be a table"))
        return {}
    _refuse_unknown(given, keys, where, problems)
    values: dict[str, Any] = {}
    for key, (kind, default, low, high) in keys.items():
        value = given.get(key, default)
        values[key] = value
        if key not in given:
            continue
        path = f"{where}.{key}"
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            problems.append(SettingProblem(path, value, "is of the wrong type"))
        elif isinstance(value, (int, float)) and kind is not bool and not low <= value <= high:
            problems.append(SettingProblem(path, value, f"must be from {low:g} to {high:g}"))
        elif key in _CHOICES and value not in _CHOICES[key]:
            problems.append(SettingProblem(path, value, f"must be one of {', '.join(_CHOICES[key])}"))
    return values


def _refuse_unknown(given: dict[str, Any], known: Any, where: str, problems: list[SettingProblem]) -> None:
    for key in given:
        if key not in known:
            path = f"{where}.{key}" if where else key
            problems.append(SettingProblem(path, None, "is unknown", _near(key, known)))


def _near(given: Any, known: Any) -> str:
    close = difflib.get_close_matches(str(given), list(known), 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


class _Builder:
    """Collects the acts of a script, in order of time, into tracks."""

    def __init__(self, sitter: dict[str, Any]) -> None:
        self._sitter = sitter
        self._duration = float(sitter["duration_seconds"])
        yaw, pitch = LOOKS["at_screen"]
        starts = {
            "x": sitter["x"], "y": sitter["y"], "width": sitter["width"], "light": sitter["light"],
            "yaw": 0.0, "pitch": 0.0, "roll": 0.0, "gaze_yaw": yaw, "gaze_pitch": pitch,
            "follow_yaw": 0.0, "follow_pitch": 0.0,
            "aside": 0.0 if sitter["present"] else 1.0, "side": -1.0,
        }  # fmt: skip
        self._tracks = {name: Track(float(value)) for name, value in starts.items()}
        self._busy_until = dict.fromkeys((*self._tracks, "lids"), 0.0)
        self._gestures: list[Gesture] = []
        self._zones: list[tuple[float, str]] = [(0.0, "at_screen")]
        self._presence: list[tuple[float, bool]] = [(0.0, bool(sitter["present"]))]
        self._looks_at = (yaw, pitch)
        self._problems: list[SettingProblem] = []

    def add(self, act: dict[str, Any]) -> None:
        getattr(self, f"_{act['what']}")(act)

    def _claim(self, act: dict[str, Any], name: str, seconds: float) -> None:
        at = float(act["at"])
        if at < self._busy_until[name] - 1e-9:
            reason = f"begins at {at:g} s while the {name} of an earlier act moves until {self._busy_until[name]:g} s"
            self._problems.append(SettingProblem(f"{act['where']}.at", None, reason))
        if at + seconds > self._duration + 1e-9:
            reason = f"is not over when the script starts again at {self._duration:g} s"
            self._problems.append(SettingProblem(f"{act['where']}.at", None, reason))
        self._busy_until[name] = at + seconds

    def _move_track(self, act: dict[str, Any], name: str, to: float, seconds: float) -> None:
        self._claim(act, name, seconds)
        self._tracks[name].move(float(act["at"]), seconds, to)

    def _arrive(self, act: dict[str, Any]) -> None:
        at, seconds = float(act["at"]), float(act["seconds"])
        if self._presence[-1][1]:
            self._problems.append(SettingProblem(f"{act['where']}.what", None, "arrives though already there"))
        self._tracks["side"].move(at, 0.0, -1.0 if act["from"] == "left" else 1.0)
        self._move_track(act, "aside", 0.0, seconds)
        self._presence.append((at + seconds * self._when_whole(at, act["from"]), True))

    def _leave(self, act: dict[str, Any]) -> None:
        at, seconds = float(act["at"]), float(act["seconds"])
        if not self._presence[-1][1]:
            self._problems.append(SettingProblem(f"{act['where']}.what", None, "leaves though not there"))
        self._tracks["side"].move(at, 0.0, -1.0 if act["to"] == "left" else 1.0)
        self._move_track(act, "aside", 1.0, seconds)
        self._presence.append((at + seconds * (1 - self._when_whole(at, act["to"])), False))

    def _when_whole(self, at: float, side: str) -> float:
        """Share of the way in after which the whole face is in the picture."""
        x, width = self._tracks["x"].value(at), self._tracks["width"].value(at)
        outside = -1.15 * width if side == "left" else 1 + 1.15 * width
        edge = width / 2 if side == "left" else 1 - width / 2
        if not min(outside, x) < edge < max(outside, x):
            return 1.0
        return ease_inverse((edge - outside) / (x - outside))

    def _blink(self, act: dict[str, Any]) -> None:
        closing, shut, opening = (float(act[f"{part}_seconds"]) for part in ("closing", "shut", "opening"))
        closures = []
        at = float(act["at"])
        for _ in range(act["times"]):
            closures.append(Closure(at, closing, shut, opening, left=True, right=True))
            at = closures[-1].until + float(act["pause_seconds"])
        begin, end = closures[0].edges
        name = ("single", "double", "triple")[act["times"] - 1]
        if end - begin > _SINGLE_UP_TO_SECONDS:
            # Between a blink and a long blink is a length nobody has a name for: drawn, but not asked of a judge.
            name = "long" if end - begin >= _LONG_FROM_SECONDS and act["times"] == 1 else ""
        self._close(act, name, closures)

    def _wink(self, act: dict[str, Any]) -> None:
        closing, shut, opening = (float(act[f"{part}_seconds"]) for part in ("closing", "shut", "opening"))
        left = act["side"] == "left"
        closure = Closure(float(act["at"]), closing, shut, opening, left=left, right=not left)
        self._close(act, f"wink_{act['side']}", [closure])

    def _close(self, act: dict[str, Any], name: str, closures: list[Closure]) -> None:
        self._claim(act, "lids", closures[-1].until - closures[0].at)
        self._gestures.append(Gesture(name, tuple(closures)))

    def _look(self, act: dict[str, Any]) -> None:
        at, seconds = float(act["at"]), float(act["seconds"])
        yaw, pitch = LOOKS.get(act["zone"], self._looks_at)
        yaw = float(act["yaw_degrees"] if act["yaw_degrees"] is not None else yaw)
        pitch = float(act["pitch_degrees"] if act["pitch_degrees"] is not None else pitch)
        self._looks_at = (yaw, pitch)
        self._move_track(act, "gaze_yaw", yaw, seconds)
        self._move_track(act, "gaze_pitch", pitch, seconds)
        follow = float(self._sitter["follow"])
        straight_yaw, straight_pitch = LOOKS["at_screen"]
        for name, to in (
            ("follow_yaw", (yaw - straight_yaw) * _FOLLOWS_YAW * follow),
            ("follow_pitch", (pitch - straight_pitch) * _FOLLOWS_PITCH * follow),
        ):
            self._tracks[name].move(at, max(_FOLLOW_SECONDS, seconds), to)
        self._zones.append((at + seconds / 2, _zone_of(yaw, pitch)))

    def _turn(self, act: dict[str, Any]) -> None:
        for name in ("yaw", "pitch", "roll"):
            if act[f"{name}_degrees"] is not None:
                self._move_track(act, name, float(act[f"{name}_degrees"]), float(act["seconds"]))

    def _move(self, act: dict[str, Any]) -> None:
        for name in ("x", "y", "width"):
            if act[name] is not None:
                self._move_track(act, name, float(act[name]), float(act["seconds"]))

    def _light(self, act: dict[str, Any]) -> None:
        self._move_track(act, "light", float(act["level"]), float(act["seconds"]))

    def finish(self, origin: str) -> Script:
        if self._problems:
            raise SettingsError(self._problems, origin)
        closures = tuple(closure for gesture in self._gestures for closure in gesture.closures)
        return Script(
            title=str(self._sitter["title"]),
            seed=int(self._sitter["seed"]),
            duration_seconds=self._duration,
            noise=float(self._sitter["noise"]),
            _tracks=self._tracks,
            _gestures=tuple(self._gestures),
            _closures=closures,
            _closure_starts=tuple(closure.at for closure in closures),
            _zones=tuple(self._zones),
            _presence=tuple(self._presence),
            _sway=float(self._sitter["sway"]),
        )


def _zone_of(yaw: float, pitch: float) -> str:
    """The zone an angle lies in, by how far it is towards each named look."""
    shares = {
        "left": yaw / LOOKS["left"][0],
        "right": yaw / LOOKS["right"][0],
        "up": pitch / LOOKS["up"][1],
        "down": pitch / LOOKS["down"][1],
    }
    name, share = max(shares.items(), key=lambda one: one[1])
    return name if share > 0.6 else "at_screen"
