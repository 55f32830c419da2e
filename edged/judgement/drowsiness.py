"""PERCLOS and blink rate over a sliding window, and whether the sitter is drowsy.

PERCLOS: share of the time in which the eyes are at least 80 % shut (Wierwille et al. 1994), over one minute.
"""

from __future__ import annotations

import math

import msgspec

from edged.events import Drowsy
from edged.settings import DrowsinessSettings

MILLISECONDS = 1000.0
_SHUT = 0.2
_LONGEST_STEP_MS = 500.0
_LEAST_SHARE_SEEN = 0.5  # of the window, before anything is said


class Second(msgspec.Struct, frozen=True):
    """One second of the window: how much of it the eyes were seen and shut, and how many blinks were told."""

    number: int
    seen_ms: float = 0.0
    shut_ms: float = 0.0
    blinks: int = 0


class DrowsinessMemory(msgspec.Struct, frozen=True):
    """seconds: oldest first."""

    at_ms: float | None = None
    seconds: tuple[Second, ...] = ()
    drowsy: bool = False


class Figures(msgspec.Struct, frozen=True):
    """Of the window; None while too little was seen."""

    perclos_percent: float | None
    blinks_per_minute: float | None


def step(
    settings: DrowsinessSettings,
    memory: DrowsinessMemory,
    *,
    openness: float | None,
    blinks: int,
    at_ms: float,
) -> tuple[DrowsinessMemory, Drowsy | None]:
    """Take in one frame; openness None: the eyes could not be seen, the time does not count."""
    elapsed = 0.0 if memory.at_ms is None else min(_LONGEST_STEP_MS, max(0.0, at_ms - memory.at_ms))
    if openness is None:
        elapsed = 0.0
    number = math.floor(at_ms / MILLISECONDS)
    seconds = memory.seconds
    if not seconds or seconds[-1].number != number:
        oldest = number - settings.window_seconds
        seconds = (*(second for second in seconds if second.number > oldest), Second(number))
    last = seconds[-1]
    shut = elapsed if openness is not None and openness <= _SHUT else 0.0
    last = Second(number, last.seen_ms + elapsed, last.shut_ms + shut, last.blinks + blinks)
    memory = DrowsinessMemory(at_ms, (*seconds[:-1], last), memory.drowsy)
    perclos = figures(settings, memory).perclos_percent
    if perclos is None:
        # The eyes have not been seen for most of the window: what was said of them does not last for ever.
        return leave(settings, memory)
    if openness is None:
        return memory, None
    # Recovery above the threshold itself would tell the two in turn, frame by frame.
    recover = min(settings.recover_percent, settings.perclos_percent)
    drowsy = perclos >= (recover if memory.drowsy else settings.perclos_percent)
    if drowsy == memory.drowsy:
        return memory, None
    told = Drowsy(drowsy=drowsy, perclos_percent=round(perclos, 1), window_seconds=settings.window_seconds)
    return msgspec.structs.replace(memory, drowsy=drowsy), told


def leave(settings: DrowsinessSettings, memory: DrowsinessMemory) -> tuple[DrowsinessMemory, Drowsy | None]:
    """Nobody is there any more, or shows no eyes, so nobody is drowsy as far as we know. The window stays: whoever is back in it may be the same."""
    if not memory.drowsy:
        return memory, None
    perclos = figures(settings, memory).perclos_percent or 0.0
    told = Drowsy(drowsy=False, perclos_percent=round(perclos, 1), window_seconds=settings.window_seconds)
    return msgspec.structs.replace(memory, drowsy=False), told


def figures(settings: DrowsinessSettings, memory: DrowsinessMemory) -> Figures:
    """PERCLOS and blink rate of the window as it stands."""
    seen = sum(second.seen_ms for second in memory.seconds)
    if seen < _LEAST_SHARE_SEEN * settings.window_seconds * MILLISECONDS:
        return Figures(None, None)
    shut = sum(second.shut_ms for second in memory.seconds)
    blinks = sum(second.blinks for second in memory.seconds)
    return Figures(100 * shut / seen, blinks * 60 * MILLISECONDS / seen)
