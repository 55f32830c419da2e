"""Blinks, winks and long closures of one face, from how open its eyes are.

A closure begins when the lids sink below `close_openness` and ends above `open_openness`, or when they have clearly
risen from their lowest point. Short deep closures are blinks; blinks close together are told as one double or triple
when no more can follow. A closure that was never deep and lasts is somebody looking down, and so is what follows a
blink after which the lids stay half way: the blink ends where they left the depth.
"""

from __future__ import annotations

import msgspec

from edged.events import Blink, Gesture, ImageSide
from edged.observations import Face, Pair
from edged.settings import BlinkSettings

MILLISECONDS = 1000.0
_REOPENED_RISE = 0.45  # risen this far from the lowest point, the eyes have opened even if not all the way
_FALLEN_AGAIN = 0.15  # after such a rise a new closure begins when they have sunk this far again
_SINKING_MS = 100.0  # a blink's lids take no longer than this from open to half shut
_ONE_EYE_SHUT = 0.35  # a single eye below this begins a closure: a wink
_ONE_EYE_OPEN = 0.55
_WINK_OTHER_OPEN = 0.62  # the other eye narrows in a wink, but not further than this
_GAP_MS = 500.0  # without observations for this long a closure is no longer one closure
_LEAST_SEEN = 0.25  # eyes seen worse than this say nothing
_WELL_SEEN = 0.5  # an eye seen worse than this is taken to do what the other one does: no wink, no held lid
_LIFTED = 0.05  # lids this far above the deep level have left the depth
_LIFTED_MS = 250.0  # and when they stay there for this long the eyes have not been shut since


class Closure(msgspec.Struct, frozen=True):
    """Eyes that are shut, or are closing. start_ms: when the lids crossed the threshold, between two frames.

    sunk_ms: when they left where open eyes are, shortly before.
    rose_ms: when they rose above the threshold again, not yet far enough to be over.
    lifted_ms, lifted_frame: when the lids left the depth and the last frame before, while they stay half way.
    spent: what is left of a closure that was told; no blink unless the lids sink deep again.
    """

    start_ms: float
    sunk_ms: float
    first_frame: int
    last_frame: int
    lowest: float
    lowest_eyes: Pair
    deep_since_ms: float | None = None
    rose_ms: float | None = None
    lifted_ms: float | None = None
    lifted_frame: int = 0
    spent: bool = False
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
    """State of one face's lids. peak: highest openness since the last closure, for those that did not open fully.

    sunk_ms: since when they are lower than open eyes are.
    """

    track: int = 0
    at_ms: float = 0.0
    openness: float = 1.0
    peak: float = 1.0
    sunk_ms: float | None = None
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
        memory, told = leave(memory)
        memory = msgspec.structs.replace(memory, track=face.track, at_ms=at_ms, peak=1.0, openness=1.0)
    elif at_ms - memory.at_ms > _GAP_MS:
        memory = msgspec.structs.replace(memory, closure=None, openness=1.0)
    now, eyes = openness(face), _trusted(face)
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
    if group is None or at_ms - group.end_ms < settings.group_seconds * MILLISECONDS:
        return memory, []
    if at_ms - memory.at_ms <= _GAP_MS and _may_join(settings, group, memory.closure, at_ms):
        return memory, []
    return msgspec.structs.replace(memory, group=None), [_told(group, memory.track)]


def leave(memory: BlinkMemory) -> tuple[BlinkMemory, list[Blink]]:
    """Nobody is there any more, or another face is primary: tell what was waiting, forget the rest."""
    return BlinkMemory(), [] if memory.group is None else [_told(memory.group, memory.track)]


def _may_join(settings: BlinkSettings, group: Group, closure: Closure | None, at_ms: float) -> bool:
    """A closure that is not over may still turn out to be the group's next blink."""
    if closure is None or closure.spent or closure.start_ms - group.end_ms >= settings.group_seconds * MILLISECONDS:
        return False
    longest = settings.shallow_seconds if closure.deep_since_ms is None else settings.long_seconds
    return at_ms - closure.start_ms <= longest * MILLISECONDS


def _trusted(face: Face) -> Pair | None:
    """The openness of both eyes, where a badly seen one is taken to do what the other does."""
    eyes, seen = face.eye_openness, face.eyes_seen
    if eyes is None or seen is None:
        return None
    if seen.left < _WELL_SEEN <= seen.right:
        return Pair(eyes.right, eyes.right)
    if seen.right < _WELL_SEEN <= seen.left:
        return Pair(eyes.left, eyes.left)
    return eyes


def _open(
    settings: BlinkSettings, memory: BlinkMemory, now: float, eyes: Pair, at_ms: float, frame: int
) -> BlinkMemory:
    sunk_ms = None
    if now < settings.open_openness:
        sunk_ms = memory.sunk_ms
        if sunk_ms is None:
            sunk_ms = _crossing(memory.at_ms, memory.openness, at_ms, now, settings.open_openness)
    memory = msgspec.structs.replace(memory, sunk_ms=sunk_ms)
    limit = min(settings.close_openness, memory.peak - _FALLEN_AGAIN)
    if now >= limit and min(eyes) >= _ONE_EYE_SHUT:
        return msgspec.structs.replace(memory, peak=min(1.0, max(memory.peak, now)))
    start = _crossing(memory.at_ms, memory.openness, at_ms, now, limit)
    deep = start if now < settings.deep_openness else None
    sunk_ms = start if sunk_ms is None else min(start, max(sunk_ms, start - _SINKING_MS))
    return msgspec.structs.replace(memory, closure=Closure(start, sunk_ms, frame, frame, now, eyes, deep))


def _closed(
    settings: BlinkSettings, memory: BlinkMemory, closure: Closure, now: float, eyes: Pair, at_ms: float, frame: int
) -> tuple[BlinkMemory, list[Blink]]:
    rose_ms = None
    if now >= settings.close_openness and min(eyes) >= _ONE_EYE_SHUT:
        rose_ms = closure.rose_ms
        if rose_ms is None:
            rose_ms = _crossing(memory.at_ms, memory.openness, at_ms, now, settings.close_openness)
    opened = now > settings.open_openness or now > closure.lowest + _REOPENED_RISE
    if opened and min(eyes) > (_ONE_EYE_SHUT if now > settings.open_openness else _ONE_EYE_OPEN):
        end = at_ms if rose_ms is None else rose_ms
        opened_ms = _crossing(memory.at_ms, memory.openness, at_ms, now, min(settings.open_openness, now))
        memory = msgspec.structs.replace(memory, closure=None, peak=min(1.0, now), sunk_ms=None)
        if opened_ms - closure.sunk_ms < settings.minimum_seconds * MILLISECONDS:
            return memory, []
        return _ended(settings, memory, closure, end)
    told: list[Blink] = []
    if now < settings.deep_openness:
        closure = _deeper(settings, memory, closure, now, eyes, at_ms, frame)
    elif closure.deep_since_ms is not None and now >= settings.deep_openness + _LIFTED:
        memory, closure, told = _half_way(settings, memory, closure, now, eyes, at_ms)
    lower = now < closure.lowest
    closure = msgspec.structs.replace(
        closure,
        last_frame=frame if rose_ms is None else closure.last_frame,
        rose_ms=rose_ms,
        lowest=min(now, closure.lowest),
        lowest_eyes=eyes if lower else closure.lowest_eyes,
    )
    deep = closure.deep_since_ms
    held = at_ms - closure.start_ms
    if (
        not closure.long_told
        and held >= settings.long_seconds * MILLISECONDS
        and deep is not None
        and closure.lifted_ms is None
        and at_ms - deep >= held / 2
        and _wink(settings, closure) is None
    ):
        if memory.group is not None:
            told.append(_told(memory.group, memory.track))
        told.append(_blink("long", closure.first_frame, frame, held, closure.lowest, memory.track))
        closure = msgspec.structs.replace(closure, long_told=True)
        memory = msgspec.structs.replace(memory, group=None)
    return msgspec.structs.replace(memory, closure=closure), told


def _deeper(
    settings: BlinkSettings, memory: BlinkMemory, closure: Closure, now: float, eyes: Pair, at_ms: float, frame: int
) -> Closure:
    """The lids are deep. Those that came from a look downwards begin a closure of their own."""
    if closure.deep_since_ms is not None:
        return msgspec.structs.replace(closure, lifted_ms=None)
    if closure.spent or at_ms - closure.start_ms > settings.shallow_seconds * MILLISECONDS:
        start = _crossing(memory.at_ms, memory.openness, at_ms, now, settings.deep_openness)
        return Closure(start, start, frame, frame, now, eyes, start)
    return msgspec.structs.replace(closure, deep_since_ms=at_ms)


def _half_way(
    settings: BlinkSettings, memory: BlinkMemory, closure: Closure, now: float, eyes: Pair, at_ms: float
) -> tuple[BlinkMemory, Closure, list[Blink]]:
    """The lids left the depth without opening. When they stay so, the closure was over when they left it."""
    if closure.lifted_ms is None:
        lifted = _crossing(memory.at_ms, memory.openness, at_ms, now, settings.deep_openness)
        return memory, msgspec.structs.replace(closure, lifted_ms=lifted, lifted_frame=closure.last_frame), []
    if at_ms - closure.lifted_ms < _LIFTED_MS:
        return memory, closure, []
    over = msgspec.structs.replace(closure, last_frame=closure.lifted_frame)
    memory, told = _ended(settings, memory, over, closure.lifted_ms)
    lifted_ms = closure.lifted_ms
    rest = Closure(lifted_ms, lifted_ms, closure.lifted_frame, closure.last_frame, now, eyes, spent=True)
    return memory, rest, told


def _ended(
    settings: BlinkSettings, memory: BlinkMemory, closure: Closure, end_ms: float
) -> tuple[BlinkMemory, list[Blink]]:
    """A closure is over: what was it?"""
    duration = end_ms - closure.start_ms
    if closure.long_told or closure.spent:
        return memory, []
    if wink := _wink(settings, closure):
        told = [] if memory.group is None else [_told(memory.group, memory.track)]
        lowest = min(closure.lowest_eyes)
        told.append(_blink(wink, closure.first_frame, closure.last_frame, duration, lowest, memory.track))
        return msgspec.structs.replace(memory, group=None), told
    shallow = closure.lowest >= settings.deep_openness
    if closure.lowest >= settings.shut_openness or (shallow and duration > settings.shallow_seconds * MILLISECONDS):
        return memory, []
    told = []
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
