"""Gaze zones of one face, with hysteresis and a settling time; dwells; the person's own straight-ahead look."""

from __future__ import annotations

import msgspec

from edged.events import Dwell, Gaze, ImageSide, Zone
from edged.observations import Face
from edged.settings import GazeSettings

MILLISECONDS = 1000.0
_LEARN_FIRST_SECONDS = 1.0  # the first look, averaged, is taken for the screen
_LEARN_SECONDS = 30.0  # and later followed with this time constant, only while it is on the screen
_FURTHEST_CENTRE_YAW_DEGREES = 10.0
_FURTHEST_CENTRE_PITCH_DEGREES = 30.0
_STEADY_OPENNESS = 0.65  # below this the lids drag the iris's place along, and gaze says nothing
_LONGEST_STEP_SECONDS = 0.2
NO_DWELL: tuple[Zone, ...] = ("away", "eyes_closed")


class Centre(msgspec.Struct, frozen=True):
    """Where this person looks when looking at the screen, in degrees relative to the camera."""

    yaw_degrees: float
    pitch_degrees: float
    learned_seconds: float = 0.0


class GazeMemory(msgspec.Struct, frozen=True):
    """zone: as it stands; told: as last told. candidate: where gaze has been since candidate_ms without a break."""

    track: int = 0
    at_ms: float = 0.0
    centre: Centre | None = None
    zone: Zone | None = None
    told: Zone | None = None
    held_ms: float = 0.0
    since_ms: float = 0.0
    since_frame: int = 0
    since_wall_ns: int = 0
    dwell_told: bool = False
    candidate: Zone | None = None
    candidate_ms: float = 0.0
    candidate_frame: int = 0
    candidate_wall_ns: int = 0


def image_side(zone: Zone | None) -> ImageSide:
    """The side of the unmirrored picture a viewer would name: the sitter's left is the viewer's right."""
    return "right" if zone == "left" else "left" if zone == "right" else "none"


def step(
    settings: GazeSettings,
    memory: GazeMemory,
    face: Face,
    *,
    openness: float | None,
    closed_since: tuple[float, int] | None,
    tell: bool,
    at_ms: float,
    frame: int,
    wall_ns: int,
) -> tuple[GazeMemory, list[Gaze | Dwell]]:
    """Take in one frame of the primary face.

    openness: of both eyes, None if unseen. closed_since: (ms, frame) at which deeply shut lids closed, else None.
    tell: somebody has arrived; before that the zone is followed but not told.
    """
    if face.track != memory.track:
        memory = msgspec.structs.replace(memory, track=face.track, at_ms=at_ms, centre=None, candidate=None)
    elapsed = min(_LONGEST_STEP_SECONDS, max(0.0, at_ms - memory.at_ms) / MILLISECONDS)
    memory = msgspec.structs.replace(memory, at_ms=at_ms)
    now: Zone | None
    began = (at_ms, frame)
    settle = settings.settle_seconds
    if closed_since is not None:
        if at_ms - closed_since[0] < settings.closed_seconds * MILLISECONDS:
            return memory, []
        now, began, settle = "eyes_closed", closed_since, 0.0
    elif _head_away(settings, memory, face):
        now = "away"
    elif openness is None or openness < _STEADY_OPENNESS or face.gaze_yaw_degrees is None:
        # Nothing can be said of this frame; a change that was on its way goes on when the eyes are back.
        return memory, []
    else:
        memory = _learn(settings, memory, face, elapsed)
        now = _zone(settings, memory, face)
    memory = _settle(memory, now, began, settle, at_ms=at_ms, wall_ns=wall_ns)
    return _tell(settings, memory, at_ms) if tell else (memory, [])


def leave(memory: GazeMemory) -> GazeMemory:
    """Nobody is there any more."""
    return GazeMemory(since_ms=memory.at_ms)


def zone_of(settings: GazeSettings, memory: GazeMemory, face: Face, openness: float | None) -> Zone | None:
    """The zone of any face on this frame alone, for people to look at; the primary's is the told one."""
    if face.track == memory.track:
        return memory.zone or memory.candidate
    if openness is not None and openness < _STEADY_OPENNESS / 2:
        return "eyes_closed"
    if _head_away(settings, GazeMemory(), face):
        return "away"
    if face.gaze_yaw_degrees is None:
        return None
    return _zone(settings, GazeMemory(), face)


def _head_away(settings: GazeSettings, memory: GazeMemory, face: Face) -> bool:
    limit = settings.away_degrees - (settings.hysteresis_degrees if memory.zone == "away" else 0.0)
    return (face.yaw_degrees is not None and abs(face.yaw_degrees) > limit) or (
        face.pitch_degrees is not None and abs(face.pitch_degrees) > limit
    )


def _learn(settings: GazeSettings, memory: GazeMemory, face: Face, elapsed: float) -> GazeMemory:
    assert face.gaze_yaw_degrees is not None
    assert face.gaze_pitch_degrees is not None
    centre = memory.centre
    if not settings.auto_centre:
        if centre is None or centre.learned_seconds:
            centre = Centre(settings.centre_yaw_degrees, settings.centre_pitch_degrees)
        return msgspec.structs.replace(memory, centre=centre)
    if centre is None:
        centre, share = Centre(face.gaze_yaw_degrees, face.gaze_pitch_degrees), 0.0
    elif centre.learned_seconds < _LEARN_FIRST_SECONDS:
        share = elapsed / max(1e-6, centre.learned_seconds + elapsed)
    else:
        share = elapsed / _LEARN_SECONDS if memory.zone == "at_screen" else 0.0
    return msgspec.structs.replace(
        memory,
        centre=Centre(
            _near(
                centre.yaw_degrees + share * (face.gaze_yaw_degrees - centre.yaw_degrees),
                settings.centre_yaw_degrees,
                _FURTHEST_CENTRE_YAW_DEGREES,
            ),
            _near(
                centre.pitch_degrees + share * (face.gaze_pitch_degrees - centre.pitch_degrees),
                settings.centre_pitch_degrees,
                _FURTHEST_CENTRE_PITCH_DEGREES,
            ),
            centre.learned_seconds + elapsed,
        ),
    )


def _near(value: float, middle: float, reach: float) -> float:
    return max(middle - reach, min(middle + reach, value))


def _zone(settings: GazeSettings, memory: GazeMemory, face: Face) -> Zone:
    assert face.gaze_yaw_degrees is not None
    assert face.gaze_pitch_degrees is not None
    centre = memory.centre or Centre(settings.centre_yaw_degrees, settings.centre_pitch_degrees)
    yaw = face.gaze_yaw_degrees - centre.yaw_degrees
    pitch = face.gaze_pitch_degrees - centre.pitch_degrees
    back = settings.hysteresis_degrees
    beyond: dict[Zone, float] = {
        "left": yaw / (settings.side_degrees - (back if memory.zone == "left" else 0)),
        "right": -yaw / (settings.side_degrees - (back if memory.zone == "right" else 0)),
        "up": pitch / (settings.up_degrees - (back if memory.zone == "up" else 0)),
        "down": -pitch / (settings.down_degrees - (back if memory.zone == "down" else 0)),
    }
    furthest = max(beyond, key=lambda zone: beyond[zone])
    return furthest if beyond[furthest] > 1 else "at_screen"


def _settle(
    memory: GazeMemory, now: Zone, began: tuple[float, int], settle_seconds: float, *, at_ms: float, wall_ns: int
) -> GazeMemory:
    """A zone that has held for the settling time becomes the zone."""
    if now != memory.candidate:
        memory = msgspec.structs.replace(
            memory, candidate=now, candidate_ms=began[0], candidate_frame=began[1], candidate_wall_ns=wall_ns
        )
    if now == memory.zone or at_ms - memory.candidate_ms < settle_seconds * MILLISECONDS:
        return memory
    return msgspec.structs.replace(
        memory,
        zone=now,
        held_ms=0.0 if memory.zone is None else max(0.0, memory.candidate_ms - memory.since_ms),
        since_ms=memory.candidate_ms,
        since_frame=memory.candidate_frame,
        since_wall_ns=memory.candidate_wall_ns,
        dwell_told=False,
    )


def _tell(settings: GazeSettings, memory: GazeMemory, at_ms: float) -> tuple[GazeMemory, list[Gaze | Dwell]]:
    """What of this is news."""
    told: list[Gaze | Dwell] = []
    zone = memory.zone
    if zone is None:
        return memory, told
    side = image_side(zone)
    if zone != memory.told:
        told.append(Gaze(zone, memory.told, side, memory.since_frame, round(memory.held_ms, 1), memory.track))
        memory = msgspec.structs.replace(memory, told=zone)
    held = at_ms - memory.since_ms
    steady = memory.candidate == zone and zone not in NO_DWELL and not memory.dwell_told
    if steady and held >= settings.dwell_seconds * MILLISECONDS:
        told.append(Dwell(zone, side, memory.since_frame, round(held, 1), memory.track))
        memory = msgspec.structs.replace(memory, dwell_told=True)
    return memory, told
