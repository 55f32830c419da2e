"""The door of judgement: one observation in, a new state and what happened out. A recording replays the same, always."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

import msgspec

from edged.events import Blink, Dwell, EventBody, Gaze, Happening, iso_utc
from edged.judgement import blink, drowsiness, gaze, presence, seat, security, summary
from edged.judgement.primary import primary
from edged.judgement.security import Blocked, Surroundings
from edged.observations import Face, Observation, Thing
from edged.settings import JudgementSettings
from edged.states import EyesState, GazeState, PresenceState, Summary

_BLINKS_OF = {"single": 1, "double": 2, "triple": 3, "long": 1}
_JITTER_MS = 200.0  # time that runs back by no more than this stands still
_BREAK_MS = 1000.0  # further back, the stream began anew; it was away for we know not how long, call it this
State = Union[PresenceState, GazeState, EyesState, seat.State]
_NOTHING_BESIDE = Surroundings()


class JudgementState(msgspec.Struct, frozen=True):
    """All that judgement remembers.

    at_ms: judgement's time, which never runs backwards: the stream's plus offset_ms.
    shown_*: the primary face's smoothed gaze, for the state topic. eyes_since_wall_ns: of the eyes' state.
    """

    at_ms: float | None = None
    offset_ms: float = 0.0
    presence: presence.PresenceMemory = presence.PresenceMemory()
    blink: blink.BlinkMemory = blink.BlinkMemory()
    gaze: gaze.GazeMemory = gaze.GazeMemory()
    drowsiness: drowsiness.DrowsinessMemory = drowsiness.DrowsinessMemory()
    summary: summary.SummaryMemory = summary.SummaryMemory()
    seat: seat.SeatMemory = seat.SeatMemory()
    shown_yaw_degrees: float | None = None
    shown_pitch_degrees: float | None = None
    eyes_since_wall_ns: int = 0


class Outcome(NamedTuple):
    """state: for the next call. faces: the observation's, with their zones filled in."""

    state: JudgementState
    happenings: tuple[Happening, ...]
    summary: Summary | None
    faces: tuple[Face, ...]


class _Picture(NamedTuple):
    """What of an observation is judged."""

    faces: tuple[Face, ...]
    things: tuple[Thing, ...] | None
    blocked: bool | None


class _Moment(NamedTuple):
    """When something is judged. at_ms: judgement's time; stream_ms: the stream's; frame: -1 where none was seen."""

    at_ms: float
    stream_ms: float
    frame: int
    captured_ns: int
    wall_ns: int


def begin(settings: JudgementSettings | None = None, blocked: Blocked | None = None) -> JudgementState:
    """Nothing is known yet, but for a block of the seat that nobody has released."""
    return JudgementState(seat=seat.begin(settings, blocked))


def observe(
    settings: JudgementSettings,
    state: JudgementState,
    observation: Observation,
    around: Surroundings = _NOTHING_BESIDE,
) -> Outcome:
    """Take in one analysed frame; time is the observation's own. around: what no picture shows."""
    state = _at(state, observation.at_ms)
    moment = _Moment(
        state.at_ms or 0.0, observation.at_ms, observation.frame, observation.captured_ns, observation.wall_ns
    )
    picture = _Picture(observation.faces, observation.things, observation.blocked)
    state, bodies, figures = _step(settings, state, picture, around, moment)
    faces = tuple(
        msgspec.structs.replace(one, zone=gaze.zone_of(settings.gaze, state.gaze, one, blink.openness(one)))
        for one in observation.faces
    )
    return Outcome(state, _happenings(bodies, moment), figures, faces)


def elapse(
    settings: JudgementSettings,
    state: JudgementState,
    around: Surroundings = _NOTHING_BESIDE,
    *,
    at_ms: float,
    captured_ns: int,
    wall_ns: int,
) -> Outcome:
    """Time passed without an observation: the camera is gone, or nothing has been analysed for a while."""
    state = _at(state, at_ms)
    moment = _Moment(state.at_ms or 0.0, at_ms, -1, captured_ns, wall_ns)
    state, bodies, figures = _step(settings, state, None, around, moment)
    return Outcome(state, _happenings(bodies, moment), figures, ())


def challenge(
    settings: JudgementSettings,
    state: JudgementState,
    seed: bytes,
    faces: Sequence[Face],
    *,
    at_ms: float,
    frame: int,
    captured_ns: int,
    wall_ns: int,
) -> Outcome:
    """Ask the primary one of the faces in view for a sign of life; without happenings there was nobody to be asked.

    seed: 16 bytes or more that nobody can guess. frame: of the newest observation.
    """
    state = _at(state, at_ms)
    moment = _Moment(state.at_ms or 0.0, at_ms, frame, captured_ns, wall_ns)
    asked, bodies = seat.ask(settings, state.seat, seed, faces, at_ms=moment.at_ms, frame=frame)
    return Outcome(msgspec.structs.replace(state, seat=asked), _happenings(bodies, moment), None, ())


def unlocked(settings: JudgementSettings, state: JudgementState, wall_ns: int) -> JudgementState:
    """Somebody unlocked the seat."""
    guarded = security.unlocked(settings.security, state.seat.security, wall_ns=wall_ns)
    return msgspec.structs.replace(state, seat=msgspec.structs.replace(state.seat, security=guarded))


def release(settings: JudgementSettings, state: JudgementState, wall_ns: int) -> JudgementState:
    """Whoever may do so ended the block of the seat."""
    guarded = security.release(settings.security, state.seat.security, wall_ns=wall_ns)
    return msgspec.structs.replace(state, seat=msgspec.structs.replace(state.seat, security=guarded))


def blocked(state: JudgementState) -> Blocked | None:
    """The block of the seat that is in force."""
    return state.seat.security.blocked


def finish(state: JudgementState, last: Observation) -> Outcome:
    """The recording ends with this observation: tell the blinks that were still waiting for company."""
    lids, blinks = blink.leave(state.blink)
    moment = _Moment(state.at_ms or 0.0, last.at_ms, last.frame, last.captured_ns, last.wall_ns)
    told = _happenings(blinks, moment) if state.presence.people else ()
    return Outcome(msgspec.structs.replace(state, blink=lids), told, None, ())


def _at(state: JudgementState, stream_ms: float) -> JudgementState:
    """The state with its time set forward to the stream's."""
    at_ms, offset_ms = stream_ms + state.offset_ms, state.offset_ms
    if state.at_ms is not None and at_ms < state.at_ms:
        began_anew = at_ms < state.at_ms - _JITTER_MS
        at_ms = state.at_ms + (_BREAK_MS if began_anew else 0.0)
        offset_ms = at_ms - stream_ms if began_anew else offset_ms
    return msgspec.structs.replace(state, at_ms=at_ms, offset_ms=offset_ms)


def _step(
    settings: JudgementSettings, state: JudgementState, picture: _Picture | None, around: Surroundings, moment: _Moment
) -> tuple[JudgementState, Sequence[EventBody], Summary | None]:
    """What follows from a frame, or from there having been none (None)."""
    seen = None if picture is None else picture.faces
    at_ms, frame, wall_ns = moment.at_ms, moment.frame, moment.wall_ns
    there, change = presence.step(
        settings.presence, state.presence, len(seen or ()), at_ms=at_ms, frame=frame, wall_ns=wall_ns
    )
    someone, left = there.people > 0, there.people == 0 and state.presence.people > 0
    face = primary(seen or (), state.blink.track)
    opened = None if face is None else blink.openness(face)

    lids, blinks = state.blink, list[Blink]()
    if face is not None:
        lids, blinks = blink.step(settings.blink, lids, face, at_ms=at_ms, frame=frame)
    else:
        lids, blinks = blink.elapse(settings.blink, lids, at_ms=at_ms)
        if left:
            lids, waiting = blink.leave(lids)
            blinks += waiting
    if not someone and not left:
        # Nothing is told of somebody who has not arrived: a face for a moment may be none.
        blinks = []

    look, looks = state.gaze, list[Union[Gaze, Dwell]]()
    shown = (state.shown_yaw_degrees, state.shown_pitch_degrees)
    if face is not None:
        look, looks = gaze.step(
            settings.gaze,
            look,
            face,
            openness=opened,
            closed_since=_closed_since(lids),
            tell=someone,
            at_ms=at_ms,
            frame=frame,
            wall_ns=wall_ns,
        )
        shown = (face.shown_gaze_yaw_degrees, face.shown_gaze_pitch_degrees)
    elif not someone:
        look, shown = gaze.GazeMemory(), (None, None)

    count = sum(_BLINKS_OF.get(one.gesture, 0) for one in blinks)
    awake, drowsy = drowsiness.step(
        settings.drowsiness, state.drowsiness, openness=opened if someone else None, blinks=count, at_ms=at_ms
    )
    if not someone:
        awake, drowsy = drowsiness.leave(settings.drowsiness, awake)
    window, figures = summary.step(
        settings.summary,
        state.summary,
        people=there.people,
        face=face if someone else None,
        zone=look.zone,
        blinks=count,
        analysed=seen is not None,
        figures=drowsiness.figures(settings.drowsiness, awake),
        at_ms=at_ms,
        wall_ns=wall_ns,
    )
    things, blocked = (None, None) if picture is None else (picture.things, picture.blocked)
    sitting, found = seat.step(
        settings,
        state.seat,
        seat.Seen(seen, things, blocked, there.people, blinks),
        around,
        at_ms=at_ms,
        frame=frame,
        wall_ns=wall_ns,
    )
    # Who arrives is told first, and who leaves last; then what follows for the seat.
    bodies: list[EventBody] = [*looks, *blinks, *([] if drowsy is None else [drowsy])]
    if change is not None:
        bodies.insert(len(bodies) if left else 0, change)
    bodies += found
    after = JudgementState(
        at_ms=at_ms,
        offset_ms=state.offset_ms,
        presence=there,
        blink=lids,
        gaze=look,
        drowsiness=awake,
        summary=window,
        seat=sitting,
        shown_yaw_degrees=shown[0],
        shown_pitch_degrees=shown[1],
        eyes_since_wall_ns=state.eyes_since_wall_ns,
    )
    if (closed := _closed(after)) != _closed(state) or awake.drowsy != state.drowsiness.drowsy:
        since = look.since_wall_ns if closed and not _closed(state) else wall_ns
        after = msgspec.structs.replace(after, eyes_since_wall_ns=since)
    return after, bodies, figures


def _happenings(bodies: Sequence[EventBody], moment: _Moment) -> tuple[Happening, ...]:
    return tuple(Happening(body, moment.frame, moment.stream_ms, moment.captured_ns, moment.wall_ns) for body in bodies)


def states(state: JudgementState, settings: JudgementSettings | None = None) -> dict[str, State]:
    """How things are now, by aspect, as the state topics carry it. `since` is 1970 before the first observation.

    Identity, liveness and objects only once there has been a look; security only by settings that have it on.
    """
    someone = state.presence.people > 0
    zone = state.gaze.zone if someone else None
    since_wall_ns = state.presence.since_wall_ns
    return {
        "presence": PresenceState(someone, state.presence.people, iso_utc(since_wall_ns)),
        "gaze": GazeState(
            zone,
            gaze.image_side(zone),
            iso_utc(state.gaze.since_wall_ns if someone and state.gaze.since_wall_ns else since_wall_ns),
            state.shown_yaw_degrees if someone else None,
            state.shown_pitch_degrees if someone else None,
        ),
        "eyes": EyesState(_closed(state), state.drowsiness.drowsy, iso_utc(state.eyes_since_wall_ns or since_wall_ns)),
        **seat.states(settings, state.seat),
    }


def _closed(state: JudgementState) -> bool | None:
    """Are the eyes of whoever is there shut; None when nobody is, or shows none."""
    zone = state.gaze.zone
    return None if zone is None or not state.presence.people else zone == "eyes_closed"


def _closed_since(lids: blink.BlinkMemory) -> tuple[float, int] | None:
    closure = lids.closure
    if closure is None or closure.deep_since_ms is None:
        return None
    return closure.start_ms, closure.first_frame
