"""The sitter's timeline: what is true at any moment, and the list of things that a judge should tell.

Pure: no pixels, no clock. Angles are the sitter's own: yaw positive to the sitter's left (the viewer's right),
pitch positive upwards, roll positive towards the sitter's left shoulder. Positions are fractions of the
unmirrored picture. `sitter_script.py` makes one of a script.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

LOOKS: dict[str, tuple[float, float]] = {
    "at_screen": (0.0, -3.0),
    "left": (30.0, -3.0),
    "right": (-30.0, -3.0),
    "up": (0.0, 27.0),
    "down": (0.0, -34.0),
}
"""Yaw and pitch in degrees of a look at the middle of each zone. The camera sits on top of the screen."""

# Lids this far closed count as a closure in the list of happenings: about what a blink judge calls half shut.
CLOSURE_EDGE = 0.4
# Gaze is told as eyes_closed when both eyes stay shut longer than the longest blink.
EYES_CLOSED_AFTER_SECONDS = 0.5
# Looking down lowers the upper lid, up raises it a little (Becker and Fuchs 1988): share of the opening per degree.
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


class Track:
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
        return before + (after - before) * ease((at - self._starts[index]) / seconds)


def ease(share: float) -> float:
    """Smooth 0..1 for 0..1 (smoothstep)."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


@dataclass(frozen=True)
class Closure:
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
            return ease((at - self.at) / self.closing)
        return 1 - ease((at - self.at - self.closing - self.shut) / self.opening)

    @property
    def edges(self) -> tuple[float, float]:
        """When the lids pass CLOSURE_EDGE, down and up."""
        share = ease_inverse(CLOSURE_EDGE)
        return self.at + self.closing * share, self.until - self.opening * share


def ease_inverse(value: float) -> float:
    """The share at which `ease` gives this value."""
    return 0.5 - math.sin(math.asin(1 - 2 * value) / 3)


@dataclass(frozen=True)
class Gesture:
    """Closures that belong together. name: what a judge should call them, empty where nobody has a name for it."""

    name: str
    closures: tuple[Closure, ...]


@dataclass(frozen=True)
class Script:
    """A timeline. Made by `sitter_script.load` and `parse`."""

    title: str
    seed: int
    duration_seconds: float
    noise: float
    _tracks: dict[str, Track] = field(repr=False)
    _gestures: tuple[Gesture, ...] = field(repr=False)
    _closures: tuple[Closure, ...] = field(repr=False)
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

    def happenings(self, frames_per_second: float, until_seconds: float | None = None) -> tuple[Happened, ...]:
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


def _held_shut(gesture: Gesture) -> tuple[float, float]:
    """From when to when this gesture shuts both eyes for long enough to be a gaze zone of its own."""
    closure = gesture.closures[0]
    begin, end = closure.edges
    both = closure.left and closure.right
    return (begin, end) if both and end - begin > EYES_CLOSED_AFTER_SECONDS else (math.inf, math.inf)


def _happened(kind: Literal["blink", "gaze", "presence"], name: str, begin: float, end: float, rate: float) -> Happened:
    first = math.ceil(begin * rate - 1e-6)
    return Happened(kind, name, first, max(first, math.ceil(end * rate - 1e-6) - 1), begin, end)
