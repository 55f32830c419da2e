"""What the sitter does and when: a TOML script made into a timeline, and the truth about any moment of it.

Pure: no pixels, no clock. Tests and the demo read the ground truth from here without drawing anything.

A script is a `[sitter]` table (where the face is, the light, the noise, the seed, how long until it starts over)
and a list of `[[do]]` tables, one per act, each with `at` in seconds and `what`. `sitter_demo.toml` shows all.
Angles are the sitter's own: yaw positive to the sitter's left (the viewer's right), pitch positive upwards,
roll positive towards the sitter's left shoulder. Positions are fractions of the unmirrored picture.
"""

from __future__ import annotations

import difflib
import math
import sys
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edged.errors import SettingProblem, SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Zone = Literal["at_screen", "left", "right", "up", "down", "away", "eyes_closed"]

LOOKS: dict[str, tuple[float, float]] = {
    "at_screen": (0.0, -3.0),
    "left": (30.0, -3.0),
    "right": (-30.0, -3.0),
    "up": (0.0, 27.0),
    "down": (0.0, -34.0),
}
"""Yaw and pitch in degrees of a look at the middle of each zone. The camera sits on top of the screen."""

SACCADE_SECONDS = 0.06
# The head goes along with a look by this share, and takes longer about it than the eyes.
_FOLLOWS_YAW, _FOLLOWS_PITCH = 0.15, 0.35
_FOLLOW_SECONDS = 0.25
# Lids this far closed count as a closure in the list of happenings: about what a blink judge calls half shut.
CLOSURE_EDGE = 0.4
# Gaze is told as eyes_closed when both eyes stay shut longer than the longest blink.
EYES_CLOSED_AFTER_SECONDS = 0.5
_SINGLE_UP_TO_SECONDS = 0.6
_LONG_FROM_SECONDS = 0.8
# Looking down lowers the upper lid, up raises it a little (Collewijn 1985): share of the opening per degree.
_LID_PER_DEGREE_DOWN = 0.009
_LID_PER_DEGREE_UP = 0.004


@dataclass(frozen=True)
class Truth:
    """How the sitter is at one moment.

    present: the whole face is in the picture and meant to be seen. in_view: any part of the sitter is.
    x, y: face centre, width: face width from temple to temple, all as fractions of the picture's width
    (x, width) and height (y). lid_left, lid_right: opening, 0 shut .. 1 this sitter's own open eye.
    closure_left, closure_right: the scripted closing alone, 1 shut, without the lowering of a downward look.
    gaze_*: where the eyes point relative to the camera; head_*: where the head points, all degrees.
    zone: what a judge should call the gaze, None while absent. light: 1 normal .. 0 dark. noise: levels, 0..255.
    """

    present: bool
    in_view: bool
    x: float
    y: float
    width: float
    head_yaw_degrees: float
    head_pitch_degrees: float
    head_roll_degrees: float
    gaze_yaw_degrees: float
    gaze_pitch_degrees: float
    lid_left: float
    lid_right: float
    closure_left: float
    closure_right: float
    zone: str | None
    light: float
    noise: float


@dataclass(frozen=True)
class Happened:
    """One thing a judge should tell.

    kind `blink`: name is the gesture; from the first closing to the last opening.
    kind `gaze`: name is the zone; from the frame where it began to the last frame before the next.
    kind `presence`: name `arrived` (until the departure) or `left` (until the return).
    Frames are the sitter source's own at the asked rate, counting on over loops; seconds likewise.
    """

    kind: Literal["blink", "gaze", "presence"]
    name: str
    first_frame: int
    last_frame: int
    at_seconds: float
    until_seconds: float


class _Track:
    """A value that moves smoothly from one key to the next and rests in between."""

    def __init__(self, start: float) -> None:
        self._starts: list[float] = []
        self._moves: list[tuple[float, float, float]] = []  # seconds it takes, from, to
        self._rest = start

    def move(self, at: float, seconds: float, to: float) -> None:
        self._moves.append((max(seconds, 1e-9), self.value(at), to))
        self._starts.append(at)

    def value(self, at: float) -> float:
        index = bisect_right(self._starts, at) - 1
        if index < 0:
            return self._rest
        seconds, before, after = self._moves[index]
        return before + (after - before) * _ease((at - self._starts[index]) / seconds)


def _ease(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


@dataclass(frozen=True)
class _Closure:
    """The lids of one or both eyes going down and up again."""

    at: float
    closing: float
    shut: float
    opening: float
    left: bool
    right: bool

    @property
    def until(self) -> float:
        return self.at + self.closing + self.shut + self.opening

    def share(self, at: float) -> float:
        if at < self.at + self.closing:
            return _ease((at - self.at) / self.closing)
        return 1 - _ease((at - self.at - self.closing - self.shut) / self.opening)

    @property
    def edges(self) -> tuple[float, float]:
        """When the lids pass CLOSURE_EDGE, down and up."""
        share = _ease_inverse(CLOSURE_EDGE)
        return self.at + self.closing * share, self.until - self.opening * share


def _ease_inverse(value: float) -> float:
    return 0.5 - math.sin(math.asin(1 - 2 * value) / 3)


@dataclass(frozen=True)
class _Gesture:
    name: str
    closures: tuple[_Closure, ...]


@dataclass(frozen=True)
class Script:
    """A timeline. Make one with `load` or `parse`."""

    title: str
    seed: int
    duration_seconds: float
    noise: float
    _tracks: dict[str, _Track] = field(repr=False)
    _gestures: tuple[_Gesture, ...] = field(repr=False)
    _closures: tuple[_Closure, ...] = field(repr=False)
    _closure_starts: tuple[float, ...] = field(repr=False)
    _zones: tuple[tuple[float, str], ...] = field(repr=False)
    _presence: tuple[tuple[float, bool], ...] = field(repr=False)
    _sway: float = 1.0

    def truth_at(self, seconds: float) -> Truth:
        """The truth at a time since the first frame; the script repeats for ever."""
        at = seconds % self.duration_seconds
        tracks = self._tracks
        aside = tracks["aside"].value(at)
        side = tracks["side"].value(at)
        width = tracks["width"].value(at)
        x, y = tracks["x"].value(at), tracks["y"].value(at)
        # Far enough out for the shoulders, which are wider than the head, to be gone.
        outside = -1.15 * width if side < 0 else 1 + 1.15 * width
        sway_x, sway_y, sway_roll = self._sway_at(at)
        gaze_yaw, gaze_pitch = tracks["gaze_yaw"].value(at), tracks["gaze_pitch"].value(at)
        left = right = 0.0
        index = bisect_right(self._closure_starts, at) - 1
        if index >= 0:
            closure = self._closures[index]
            share = closure.share(at) if at < closure.until else 0.0
            left, right = share * closure.left, share * closure.right
        head_yaw = tracks["yaw"].value(at) + tracks["follow_yaw"].value(at)
        head_pitch = tracks["pitch"].value(at) + tracks["follow_pitch"].value(at)
        eyes_pitch = gaze_pitch - head_pitch
        lowered = 1 + min(0.0, eyes_pitch) * _LID_PER_DEGREE_DOWN + max(0.0, eyes_pitch) * _LID_PER_DEGREE_UP
        zone = self._zone_at(at)
        return Truth(
            present=zone is not None,
            in_view=aside < 1,
            x=x + (outside - x) * aside + sway_x * width,
            y=y + 0.04 * aside + sway_y * width,
            width=width,
            head_yaw_degrees=head_yaw,
            head_pitch_degrees=head_pitch,
            head_roll_degrees=tracks["roll"].value(at) + sway_roll,
            gaze_yaw_degrees=gaze_yaw,
            gaze_pitch_degrees=gaze_pitch,
            lid_left=(1 - left) * lowered,
            lid_right=(1 - right) * lowered,
            closure_left=left,
            closure_right=right,
            zone=zone,
            light=tracks["light"].value(at),
            noise=self.noise,
        )

    def _sway_at(self, at: float) -> tuple[float, float, float]:
        """Small movements of a living head: whole cycles per script, so that it starts over without a jump."""
        if not self._sway:
            return 0.0, 0.0, 0.0
        turn = 2 * math.pi * at / self.duration_seconds
        slow = max(1, round(self.duration_seconds / 5.3))
        quick = max(1, round(self.duration_seconds / 2.9))
        phase = self.seed % 97
        return (
            self._sway * (0.008 * math.sin(turn * slow + phase) + 0.003 * math.sin(turn * quick + 2 * phase)),
            self._sway * (0.006 * math.sin(turn * (slow + 1) + 3 * phase) + 0.002 * math.sin(turn * quick + phase)),
            self._sway * 0.8 * math.sin(turn * slow + 5 * phase),
        )

    def _zone_at(self, at: float) -> str | None:
        index = bisect_right(self._presence, (at, True)) - 1
        if index < 0 or not self._presence[index][1]:
            return None
        for gesture in self._gestures:
            begin, end = _held_shut(gesture)
            if begin <= at < end:
                return "eyes_closed"
        return self._zones[bisect_right(self._zones, (at, "~")) - 1][1]

    def happenings(
        self, frames_per_second: float, until_seconds: float | None = None
    ) -> tuple[Happened, ...]:
        """All that a judge should tell up to `until_seconds` (default: one pass), in order of time.

        What began before that moment is listed even if it ends later.
        """
        until = self.duration_seconds if until_seconds is None else until_seconds
        listed: list[Happened] = []
        for loop in range(math.ceil(until / self.duration_seconds) if until > 0 else 0):
            offset = loop * self.duration_seconds
            for gesture in self._gestures:
                if gesture.name:
                    begin, end = gesture.closures[0].edges[0], gesture.closures[-1].edges[1]
                    listed.append(_happened("blink", gesture.name, offset + begin, offset + end, frames_per_second))
        listed += self._changes("gaze", self._zone_at, until, frames_per_second)
        listed += self._changes("presence", self._presence_name_at, until, frames_per_second)
        return tuple(sorted((one for one in listed if one.at_seconds < until), key=lambda one: one.at_seconds))

    def _presence_name_at(self, at: float) -> str:
        return "left" if self._zone_at(at) is None else "arrived"

    def _changes(
        self, kind: Literal["gaze", "presence"], name_at: Callable[[float], str | None], until: float, rate: float
    ) -> list[Happened]:
        """Runs of one name, from the moments at which something may change."""
        moments = {0.0, *(at for at, _ in self._zones), *(at for at, _ in self._presence)}
        for gesture in self._gestures:
            moments.update(_held_shut(gesture))
        inside = sorted(at for at in moments if 0 <= at < self.duration_seconds)
        # One pass more than asked for, so that the last run has its true end.
        loops = math.ceil(until / self.duration_seconds) + 1
        runs: list[tuple[float, str | None]] = []
        for loop in range(loops):
            for at in inside:
                name = name_at(at)
                if not runs or runs[-1][1] != name:
                    runs.append((loop * self.duration_seconds + at, name))
        ends = [at for at, _ in runs[1:]] + [loops * self.duration_seconds]
        return [
            _happened(kind, name, begin, end, rate)
            for (begin, name), end in zip(runs, ends, strict=True)
            # Nobody at the very start is no departure.
            if name is not None and not (kind == "presence" and name == "left" and begin == 0)
        ]


def _held_shut(gesture: _Gesture) -> tuple[float, float]:
    """From when to when this gesture shuts both eyes for long enough to be a gaze zone of its own."""
    closure = gesture.closures[0]
    begin, end = closure.edges
    both = closure.left and closure.right
    return (begin, end) if both and end - begin > EYES_CLOSED_AFTER_SECONDS else (math.inf, math.inf)


def _happened(kind: Literal["blink", "gaze", "presence"], name: str, begin: float, end: float, rate: float) -> Happened:
    first = math.ceil(begin * rate - 1e-6)
    return Happened(kind, name, first, max(first, math.ceil(end * rate - 1e-6) - 1), begin, end)


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
    """Read a script. Raises OSError, and SettingsError with all that is wrong in it."""
    text = path.read_text(encoding="utf-8")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([SettingProblem(path.name, None, f"is not TOML: {error}")], str(path)) from None
    return parse(table, str(path))


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
        self._tracks = {name: _Track(float(value)) for name, value in starts.items()}
        self._busy_until = dict.fromkeys((*self._tracks, "lids"), 0.0)
        self._gestures: list[_Gesture] = []
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
        return _ease_inverse((edge - outside) / (x - outside))

    def _blink(self, act: dict[str, Any]) -> None:
        closing, shut, opening = (float(act[f"{part}_seconds"]) for part in ("closing", "shut", "opening"))
        closures = []
        at = float(act["at"])
        for _ in range(act["times"]):
            closures.append(_Closure(at, closing, shut, opening, left=True, right=True))
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
        closure = _Closure(float(act["at"]), closing, shut, opening, left=left, right=not left)
        self._close(act, f"wink_{act['side']}", [closure])

    def _close(self, act: dict[str, Any], name: str, closures: list[_Closure]) -> None:
        self._claim(act, "lids", closures[-1].until - closures[0].at)
        self._gestures.append(_Gesture(name, tuple(closures)))

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
