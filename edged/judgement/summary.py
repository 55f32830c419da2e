"""One window's figures."""

from __future__ import annotations

import msgspec

from edged.events import Zone, iso_utc
from edged.judgement.drowsiness import Figures
from edged.observations import Face
from edged.settings import SummarySettings
from edged.states import Summary

MILLISECONDS = 1000.0
_LONGEST_STEP_MS = 500.0


class SummaryMemory(msgspec.Struct, frozen=True):
    """Sums of the window that began at start_ms. watched_ms: its time without that of pauses."""

    start_ms: float | None = None
    at_ms: float = 0.0
    frames: int = 0
    people_max: int = 0
    watched_ms: float = 0.0
    present_ms: float = 0.0
    attentive_ms: float = 0.0
    blinks: int = 0
    posed: int = 0
    yaw_sum: float = 0.0
    pitch_sum: float = 0.0
    roll_sum: float = 0.0


def step(
    settings: SummarySettings,
    memory: SummaryMemory,
    *,
    people: int,
    face: Face | None,
    zone: Zone | None,
    blinks: int,
    analysed: bool,
    figures: Figures,
    at_ms: float,
    wall_ns: int,
) -> tuple[SummaryMemory, Summary | None]:
    """Take in one frame (analysed), or just the time that passed."""
    if memory.start_ms is None or at_ms < memory.at_ms:
        memory = SummaryMemory(start_ms=at_ms, at_ms=at_ms)
    assert memory.start_ms is not None
    elapsed = min(_LONGEST_STEP_MS, at_ms - memory.at_ms)
    posed = face is not None and face.yaw_degrees is not None
    memory = msgspec.structs.replace(
        memory,
        at_ms=at_ms,
        frames=memory.frames + analysed,
        people_max=max(memory.people_max, people),
        watched_ms=memory.watched_ms + elapsed,
        present_ms=memory.present_ms + (elapsed if people else 0.0),
        attentive_ms=memory.attentive_ms + (elapsed if people and zone == "at_screen" else 0.0),
        blinks=memory.blinks + blinks,
    )
    if posed and face is not None:
        memory = msgspec.structs.replace(
            memory,
            posed=memory.posed + 1,
            yaw_sum=memory.yaw_sum + (face.yaw_degrees or 0.0),
            pitch_sum=memory.pitch_sum + (face.pitch_degrees or 0.0),
            roll_sum=memory.roll_sum + (face.roll_degrees or 0.0),
        )
    length = at_ms - (memory.start_ms or 0.0)
    if length < settings.window_seconds * MILLISECONDS:
        return memory, None

    def mean(total: float) -> float | None:
        return round(total / memory.posed, 1) if memory.posed else None

    summary = Summary(
        at=iso_utc(wall_ns),
        window_seconds=round(length / MILLISECONDS, 3),
        frames=memory.frames,
        frames_per_second=round(memory.frames * MILLISECONDS / length, 2),
        people_max=memory.people_max,
        presence_percent=round(100 * memory.present_ms / memory.watched_ms, 1),
        attention_percent=round(100 * memory.attentive_ms / memory.present_ms, 1) if memory.present_ms else None,
        blinks=memory.blinks,
        blinks_per_minute=None if figures.blinks_per_minute is None else round(figures.blinks_per_minute, 1),
        perclos_percent=None if figures.perclos_percent is None else round(figures.perclos_percent, 1),
        yaw_degrees=mean(memory.yaw_sum),
        pitch_degrees=mean(memory.pitch_sum),
        roll_degrees=mean(memory.roll_sum),
    )
    return SummaryMemory(start_ms=at_ms, at_ms=at_ms), summary
