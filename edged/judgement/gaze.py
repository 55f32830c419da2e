"""Gaze zones of one face, with hysteresis and a settling time; dwells; the person's own straight-ahead look."""

from __future__ import annotations

import msgspec

from edged.events import Dwell, Gaze, ImageSide, Zone
from edged.observations import Box, Face
from edged.settings import GazeSettings

MILLISECONDS = 1000.0
_LEARN_FIRST_SECONDS = 1.0  # the first look, averaged, is taken for the screen
_HARDLY_LEARNED_SECONDS = 0.3
_LEARN_SECONDS = 30.0  # and later followed with this time constant, only while it is on the screen
_FURTHEST_CENTRE_YAW_DEGREES = 10.0
_FURTHEST_CENTRE_PITCH_DEGREES = 30.0
_SWEEP_WIDTHS_A_SECOND = 0.8  # a face that moves faster, in its own widths, teaches nothing of where the screen is
_STEADY_OPENNESS = 0.65  # below this the lids drag the iris's place along, and gaze says nothing
_HELD_LOW_MS = 400.0  # lids held low for longer than a blink takes are a look: gaze counts again
_LONGEST_STEP_SECONDS = 0.2
_UNSEEN_MS = 3000.0  # after this long with a face that shows no eyes, nobody knows where it looks
_GAP_MS = 2000.0  # after this long without the face, what was on its way and how long it was held begin anew
_LEAST_EDGE_DEGREES = 1.0  # hysteresis never brings the way out of a zone closer to its middle than this
NO_DWELL: tuple[Zone, ...] = ("away", "eyes_closed")


class Centre(msgspec.Struct, frozen=True):
    """Where this person looks when looking at the screen, in degrees relative to the camera."""

    yaw_degrees: float
    pitch_degrees: float
    learned_seconds: float = 0.0


class GazeMemory(msgspec.Struct, frozen=True):
    """zone: as it stands, since since_*; None: not known (any more). told: as last told. low_since_ms: when the lids
    sank below steady. box: the face's, last seen. unseen_since_ms: since when the face has shown nothing of its gaze.

    candidate: where gaze has been since candidate_ms without a break, steadily for steady_ms of that time.
    dwell_*: from when on the zone was watched without a break, which is later than since_* after an absence.
    """

    track: int = 0
    at_ms: float = 0.0
    centre: Centre | None = None
    zone: Zone | None = None
    told: Zone | None = None
    held_ms: float = 0.0
    since_ms: float = 0.0
    since_frame: int = 0
    since_wall_ns: int = 0
    dwell_ms: float = 0.0
    dwell_frame: int = 0
    dwell_told: bool = False
    low_since_ms: float | None = None
    box: Box | None = None
    unseen_since_ms: float | None = None
    candidate: Zone | None = None
    steady_ms: float = 0.0
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
        # The zone stays as told until this face shows another one; how long it looks there is its own.
        memory = msgspec.structs.replace(
            memory, track=face.track, at_ms=at_ms, centre=None, candidate=None, low_since_ms=None, box=None,
            unseen_since_ms=None, dwell_ms=at_ms, dwell_frame=frame, dwell_told=False,
        )  # fmt: skip
    elif at_ms - memory.at_ms > _GAP_MS:
        memory = msgspec.structs.replace(
            memory,
            at_ms=at_ms,
            candidate=None,
            low_since_ms=None,
            unseen_since_ms=None,
            dwell_ms=at_ms,
            dwell_frame=frame,
        )
    elapsed = max(0.0, at_ms - memory.at_ms) / MILLISECONDS
    low = openness is not None and openness < _STEADY_OPENNESS
    low_since_ms = None if not low else at_ms if memory.low_since_ms is None else memory.low_since_ms
    sweeps = memory.box is not None and _sweeps(memory.box, face.box, elapsed)
    memory = msgspec.structs.replace(memory, at_ms=at_ms, low_since_ms=low_since_ms, box=face.box)
    now: Zone | None
    began = (at_ms, frame)
    settle = settings.settle_seconds
    if closed_since is not None:
        if at_ms - closed_since[0] < settings.closed_seconds * MILLISECONDS:
            return memory, []
        now, began, settle = "eyes_closed", closed_since, 0.0
    elif _head_away(settings, memory, face):
        now = "away"
    elif openness is None or not _shows_gaze(face):
        return _unseen(memory, at_ms=at_ms, frame=frame, wall_ns=wall_ns), []
    elif low_since_ms is not None:
        if at_ms - low_since_ms < _HELD_LOW_MS:
            # Nothing can be said of this frame; a change that was on its way goes on when the eyes are back.
            return memory, []
        now = _zone(settings, memory, face)
    else:
        if not sweeps:
            memory = _learn(settings, memory, face, min(_LONGEST_STEP_SECONDS, elapsed))
        elif settings.auto_centre and (
            memory.centre is None or memory.centre.learned_seconds < _HARDLY_LEARNED_SECONDS
        ):
            # What little was learned was learned on the way.
            return msgspec.structs.replace(memory, centre=None), []
        now = _zone(settings, memory, face)
    memory = msgspec.structs.replace(memory, unseen_since_ms=None)
    memory = _settle(memory, now, began, elapsed, settle, at_ms=at_ms, wall_ns=wall_ns)
    return _tell(settings, memory, at_ms) if tell else (memory, [])


def _unseen(memory: GazeMemory, *, at_ms: float, frame: int, wall_ns: int) -> GazeMemory:
    """The face shows no eyes, or their stage is switched off: what was known of its gaze does not last for ever."""
    since_ms = at_ms if memory.unseen_since_ms is None else memory.unseen_since_ms
    memory = msgspec.structs.replace(memory, unseen_since_ms=since_ms)
    if memory.zone is None or at_ms - since_ms < _UNSEEN_MS:
        return memory
    return msgspec.structs.replace(
        memory, zone=None, candidate=None, since_ms=at_ms, since_frame=frame, since_wall_ns=wall_ns
    )


def _sweeps(before: Box, now: Box, elapsed_seconds: float) -> bool:
    """The whole face is on its way somewhere: somebody who walks in or sits down looks where they go."""
    across = abs(now.x + now.width / 2 - before.x - before.width / 2)
    down = abs(now.y + now.height / 2 - before.y - before.height / 2)
    return max(across, down) > _SWEEP_WIDTHS_A_SECOND * now.width * max(elapsed_seconds, 1e-3)


def _shows_gaze(face: Face) -> bool:
    return face.gaze_yaw_degrees is not None and face.gaze_pitch_degrees is not None


def zone_of(settings: GazeSettings, memory: GazeMemory, face: Face, openness: float | None) -> Zone | None:
    """The zone of any face on this frame alone, for people to look at; the primary's is the told one."""
    if face.track == memory.track:
        return memory.zone or memory.candidate
    if openness is not None and openness < _STEADY_OPENNESS / 2:
        return "eyes_closed"
    if _head_away(settings, GazeMemory(), face):
        return "away"
    return _zone(settings, GazeMemory(), face) if _shows_gaze(face) else None


def _head_away(settings: GazeSettings, memory: GazeMemory, face: Face) -> bool:
    limit = _edge(settings, memory, "away", settings.away_degrees)
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
    beyond: dict[Zone, float] = {
        "left": yaw / _edge(settings, memory, "left", settings.side_degrees),
        "right": -yaw / _edge(settings, memory, "right", settings.side_degrees),
        "up": pitch / _edge(settings, memory, "up", settings.up_degrees),
        "down": -pitch / _edge(settings, memory, "down", settings.down_degrees),
    }
    furthest = max(beyond, key=lambda zone: beyond[zone])
    return furthest if beyond[furthest] > 1 else "at_screen"


def _edge(settings: GazeSettings, memory: GazeMemory, zone: Zone, degrees: float) -> float:
    """How far out a zone begins, or, for the one that gaze is in, ends."""
    return max(_LEAST_EDGE_DEGREES, degrees - settings.hysteresis_degrees) if memory.zone == zone else degrees


def _settle(
    memory: GazeMemory,
    now: Zone,
    began: tuple[float, int],
    elapsed_seconds: float,
    settle_seconds: float,
    *,
    at_ms: float,
    wall_ns: int,
) -> GazeMemory:
    """A zone that has held for the settling time becomes the zone."""
    if now != memory.candidate:
        since_wall_ns = wall_ns - round((at_ms - began[0]) * 1e6)
        memory = msgspec.structs.replace(
            memory,
            candidate=now,
            candidate_ms=began[0],
            candidate_frame=began[1],
            candidate_wall_ns=since_wall_ns,
            steady_ms=0.0,
        )
    else:
        memory = msgspec.structs.replace(memory, steady_ms=memory.steady_ms + elapsed_seconds * MILLISECONDS)
    # Half a millisecond of tolerance: sums of frame times are not exact.
    if now == memory.zone or memory.steady_ms < settle_seconds * MILLISECONDS - 0.5:
        return memory
    return msgspec.structs.replace(
        memory,
        zone=now,
        held_ms=0.0 if memory.told is None else max(0.0, memory.candidate_ms - memory.since_ms),
        since_ms=memory.candidate_ms,
        since_frame=memory.candidate_frame,
        since_wall_ns=memory.candidate_wall_ns,
        dwell_ms=memory.candidate_ms,
        dwell_frame=memory.candidate_frame,
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
    held = at_ms - memory.dwell_ms
    steady = memory.candidate == zone and zone not in NO_DWELL and not memory.dwell_told
    if steady and held >= settings.dwell_seconds * MILLISECONDS:
        told.append(Dwell(zone, side, memory.dwell_frame, round(held, 1), memory.track))
        memory = msgspec.structs.replace(memory, dwell_told=True)
    return memory, told
