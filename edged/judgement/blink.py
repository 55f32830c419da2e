"""Blinks, winks and long closures of one face, from how open its eyes are.

A closure begins when the lids sink below `close_openness` and ends above `open_openness`, or when they have clearly
risen from their lowest point. Short deep closures are blinks; blinks close together are told as one double or triple
when no more can follow. A closure that was never deep and lasts is somebody looking down.
"""

from __future__ import annotations

import msgspec

from edged.events import Blink, Gesture, ImageSide
from edged.observations import Face, Pair
from edged.settings import BlinkSettings

MILLISECONDS = 1000.0
_REOPENED_RISE = 0.45  # risen this far from the lowest point, the eyes have opened even if not all the way
_FALLEN_AGAIN = 0.15  # after such a rise a new closure begins when they have sunk this far again
_ONE_EYE_SHUT = 0.35  # a single eye below this begins a closure: a wink
_ONE_EYE_OPEN = 0.55
_WINK_OTHER_OPEN = 0.62  # the other eye narrows in a wink, but not further than this
_GAP_MS = 500.0  # without observations for this long a closure is no longer one closure
_LEAST_SEEN = 0.25  # eyes seen worse than this say nothing


class Closure(msgspec.Struct, frozen=True):
    """Eyes that are shut, or are closing. start_ms: when the lids crossed the threshold, between two frames."""

    start_ms: float
    first_frame: int
    last_frame: int
    lowest: float
    lowest_eyes: Pair
    deep_since_ms: float | None = None
    long_told: bool = False


class Group(msgspec.Struct, frozen=True):
    """Blinks that may become a double or triple. end_ms: when the last of them ended."""

    count: int
    start_ms: float
    end_ms: float
    first_frame: int
    last_frame: int
    lowest: float


class BlinkMemory(msgspec.Struct, frozen=True):
    """State of one face's lids. peak: highest openness since the last closure, for those that did not open fully."""

    track: int = 0
    at_ms: float = 0.0
    openness: float = 1.0
    peak: float = 1.0
    closure: Closure | None = None
    group: Group | None = None


def openness(face: Face) -> float | None:
    """How open the eyes are together, each weighted by how well it is seen; None when they cannot be seen."""
    eyes, seen = face.eye_openness, face.eyes_seen
    if eyes is None or seen is None or max(seen) < _LEAST_SEEN:
        return None
    return (eyes.left * seen.left + eyes.right * seen.right) / (seen.left + seen.right)


def step(
    settings: BlinkSettings, memory: BlinkMemory, face: Face, *, at_ms: float, frame: int
) -> tuple[BlinkMemory, list[Blink]]:
    """Take in one frame of the primary face."""
    told: list[Blink] = []
    if face.track != memory.track:
        memory, told = _let_go(memory)
        memory = msgspec.structs.replace(memory, track=face.track, at_ms=at_ms, peak=1.0, openness=1.0)
    elif at_ms - memory.at_ms > _GAP_MS:
        memory = msgspec.structs.replace(memory, closure=None, openness=1.0)
    now = openness(face)
    eyes = face.eye_openness
    if now is None or eyes is None:
        memory = msgspec.structs.replace(memory, closure=None, at_ms=at_ms)
    elif memory.closure is None:
        memory = _open(settings, memory, now, eyes, at_ms, frame)
    else:
        memory, more = _closed(settings, memory, memory.closure, now, eyes, at_ms, frame)
        told += more
    memory, more = elapse(settings, memory, at_ms=at_ms)
    told += more
    if now is not None:
        memory = msgspec.structs.replace(memory, at_ms=at_ms, openness=now)
    return memory, told


def elapse(settings: BlinkSettings, memory: BlinkMemory, *, at_ms: float) -> tuple[BlinkMemory, list[Blink]]:
    """Time passed: tell a group to which no further blink can belong any more."""
    group = memory.group
    if group is None or (memory.closure is not None and at_ms - memory.at_ms <= _GAP_MS):
        return memory, []
    if at_ms - group.end_ms < settings.group_seconds * MILLISECONDS:
        return memory, []
    return msgspec.structs.replace(memory, group=None), [_told(group, memory.track)]


def _open(
    settings: BlinkSettings, memory: BlinkMemory, now: float, eyes: Pair, at_ms: float, frame: int
) -> BlinkMemory:
    limit = min(settings.close_openness, memory.peak - _FALLEN_AGAIN)
    if now >= limit and min(eyes) >= _ONE_EYE_SHUT:
        return msgspec.structs.replace(memory, peak=min(1.0, max(memory.peak, now)))
    start = _crossing(memory.at_ms, memory.openness, at_ms, now, limit)
    deep = start if now < settings.deep_openness else None
    return msgspec.structs.replace(memory, closure=Closure(start, frame, frame, now, eyes, deep))


def _closed(
    settings: BlinkSettings, memory: BlinkMemory, closure: Closure, now: float, eyes: Pair, at_ms: float, frame: int
) -> tuple[BlinkMemory, list[Blink]]:
    opened = now > settings.open_openness or now > closure.lowest + _REOPENED_RISE
    if opened and min(eyes) > _ONE_EYE_OPEN:
        level = min(settings.close_openness, now)
        end = _crossing(memory.at_ms, memory.openness, at_ms, now, level)
        memory = msgspec.structs.replace(memory, closure=None, peak=min(1.0, now))
        return _ended(settings, memory, closure, end)
    lower = now < closure.lowest
    deep = closure.deep_since_ms
    if deep is None and now < settings.deep_openness:
        deep = at_ms
    elif deep is not None and now > settings.close_openness and not closure.long_told:
        deep = None
    closure = msgspec.structs.replace(
        closure,
        last_frame=frame,
        lowest=min(now, closure.lowest),
        lowest_eyes=eyes if lower else closure.lowest_eyes,
        deep_since_ms=deep,
    )
    told: list[Blink] = []
    held = at_ms - closure.start_ms
    if (
        not closure.long_told
        and held >= settings.long_seconds * MILLISECONDS
        and deep is not None
        and at_ms - deep >= held / 2
        and _wink(settings, closure) is None
    ):
        if memory.group is not None:
            told.append(_told(memory.group, memory.track))
        told.append(_blink("long", closure.first_frame, frame, held, closure.lowest, memory.track))
        closure = msgspec.structs.replace(closure, long_told=True)
        memory = msgspec.structs.replace(memory, group=None)
    return msgspec.structs.replace(memory, closure=closure), told


def _ended(
    settings: BlinkSettings, memory: BlinkMemory, closure: Closure, end_ms: float
) -> tuple[BlinkMemory, list[Blink]]:
    """A closure is over: what was it?"""
    duration = end_ms - closure.start_ms
    if closure.long_told or duration < settings.minimum_seconds * MILLISECONDS:
        return memory, []
    if wink := _wink(settings, closure):
        lowest = min(closure.lowest_eyes)
        return memory, [_blink(wink, closure.first_frame, closure.last_frame, duration, lowest, memory.track)]
    shallow = closure.lowest >= settings.deep_openness
    if closure.lowest >= settings.shut_openness or (shallow and duration > settings.shallow_seconds * MILLISECONDS):
        return memory, []
    told: list[Blink] = []
    group = memory.group
    if group is not None and closure.start_ms - group.end_ms >= settings.group_seconds * MILLISECONDS:
        told.append(_told(group, memory.track))
        group = None
    if group is None:
        group = Group(1, closure.start_ms, end_ms, closure.first_frame, closure.last_frame, closure.lowest)
    else:
        group = Group(
            group.count + 1,
            group.start_ms,
            end_ms,
            group.first_frame,
            closure.last_frame,
            min(group.lowest, closure.lowest),
        )
    if group.count == 3:
        told.append(_told(group, memory.track))
        group = None
    return msgspec.structs.replace(memory, group=group), told


def _wink(settings: BlinkSettings, closure: Closure) -> Gesture | None:
    eyes = closure.lowest_eyes
    if abs(eyes.left - eyes.right) < settings.wink_difference or max(eyes) < _WINK_OTHER_OPEN:
        return None
    return "wink_left" if eyes.left < eyes.right else "wink_right"


def _let_go(memory: BlinkMemory) -> tuple[BlinkMemory, list[Blink]]:
    """Another face is primary now: tell what was waiting."""
    told = [] if memory.group is None else [_told(memory.group, memory.track)]
    return BlinkMemory(), told


def _told(group: Group, track: int) -> Blink:
    gesture: Gesture = "single" if group.count == 1 else "double" if group.count == 2 else "triple"
    duration = group.end_ms - group.start_ms
    return _blink(gesture, group.first_frame, group.last_frame, duration, group.lowest, track)


def _blink(gesture: Gesture, first: int, last: int, duration_ms: float, lowest: float, track: int) -> Blink:
    # The sitter's left eye is on the right of the unmirrored picture.
    sides: dict[Gesture, ImageSide] = {"wink_left": "right", "wink_right": "left"}
    return Blink(gesture, first, last, round(duration_ms, 1), round(lowest, 3), sides.get(gesture, "none"), track)


def _crossing(before_ms: float, before: float, at_ms: float, now: float, level: float) -> float:
    """When the openness passed a level between two frames, by straight line."""
    if at_ms - before_ms > _GAP_MS or before == now or (before - level) * (now - level) > 0:
        return at_ms
    return before_ms + (at_ms - before_ms) * (before - level) / (before - now)
