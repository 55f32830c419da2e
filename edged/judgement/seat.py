"""Who sits there and whether that is well: identity, liveness, things and challenges, and the policy over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

import msgspec

from edged.events import Blink, Challenge, ChallengeStep, EventBody, iso_utc
from edged.judgement import challenge, identity, liveness, phones, security
from edged.judgement.primary import primary
from edged.judgement.security import Blocked, Scene, Surroundings
from edged.observations import Face, Thing
from edged.settings import JudgementSettings
from edged.states import FaceNamed, IdentityState, LivenessState, ObjectsState, SecurityState

State = Union[IdentityState, LivenessState, ObjectsState, SecurityState]


class SeatMemory(msgspec.Struct, frozen=True):
    """track: of the primary face, 0 for none. someone: as debounced."""

    identity: identity.IdentityMemory = identity.IdentityMemory()
    liveness: liveness.LivenessMemory = liveness.LivenessMemory()
    phones: phones.PhonesMemory = phones.PhonesMemory()
    challenge: challenge.ChallengeMemory = challenge.ChallengeMemory()
    security: security.SecurityMemory = security.SecurityMemory()
    track: int = 0
    someone: bool = False
    absent_wall_ns: int = 0


class Seen(NamedTuple):
    """What judgement knows of a moment. faces: None where there was no frame. people: debounced."""

    faces: tuple[Face, ...] | None
    things: tuple[Thing, ...] | None
    blocked: bool | None
    people: int
    blinks: Sequence[Blink]


def begin(settings: JudgementSettings | None, blocked: Blocked | None) -> SeatMemory:
    """Nothing has been seen. settings None: without a policy until the first step."""
    if settings is None:
        return SeatMemory()
    return SeatMemory(security=security.begin(settings.security, blocked))


def step(
    settings: JudgementSettings,
    memory: SeatMemory,
    seen: Seen,
    around: Surroundings,
    *,
    at_ms: float,
    frame: int,
    wall_ns: int,
) -> tuple[SeatMemory, list[EventBody]]:
    """Take in a moment."""
    faces = seen.faces or ()
    who, named = identity.step(settings.identity, memory.identity, faces, at_ms=at_ms, wall_ns=wall_ns)
    asked, tasks, ended = challenge.step(
        settings.liveness, memory.challenge, faces, seen.blinks, at_ms=at_ms, frame=frame
    )
    alive, found = liveness.step(
        settings.liveness,
        memory.liveness,
        faces,
        blinked={one.track for one in seen.blinks},
        answered=None if ended is None else liveness.Answered(ended.track, ended.passed),
        at_ms=at_ms,
        wall_ns=wall_ns,
    )
    held_up, things = phones.step(settings.objects, memory.phones, seen.things, faces, at_ms=at_ms, wall_ns=wall_ns)
    someone, arrived = seen.people > 0, seen.people > 0 and not memory.someone
    main = primary(faces, memory.track)
    track = main.track if main is not None else memory.track if someone else 0
    memory = SeatMemory(
        who, alive, held_up, asked, memory.security, track, someone,
        memory.absent_wall_ns if someone == memory.someone and memory.absent_wall_ns else wall_ns,
    )  # fmt: skip
    guarded, verdicts = security.step(
        settings.security,
        memory.security,
        _scene(memory, seen),
        around,
        at_ms=at_ms,
        frame=frame,
        wall_ns=wall_ns,
    )
    bodies: list[EventBody] = []
    if someone and not arrived:
        bodies += [*named, *found]
    elif arrived:
        # Nothing is told of somebody who has not arrived; once there, what is known by then is.
        bodies += [*identity.known_by_now(who, faces), *liveness.known_by_now(alive, faces)]
    bodies += [*tasks, *things, *verdicts]
    return msgspec.structs.replace(memory, security=guarded), bodies


def _scene(memory: SeatMemory, seen: Seen) -> Scene:
    who = memory.identity.of(memory.track)
    alive = memory.liveness.of(memory.track)
    agreeing = [] if who is None else [one for one in who.looks if one.choice == (who.person or "")]
    similarity = identity.similarity_of(agreeing)
    return Scene(
        someone=memory.someone,
        faces=seen.people,
        fresh=seen.faces is not None,
        track=memory.track or None,
        who="undecided" if who is None else who.verdict,
        person=None if who is None else who.person,
        stranger=None if who is None else who.stranger,
        who_score=None if similarity is None else max(0.0, similarity),
        alive="undecided" if alive is None else alive.verdict,
        alive_score=None if alive is None else alive.score,
        witnesses=() if alive is None else alive.witnesses,
        phone=memory.phones.phones > 0,
        phone_score=memory.phones.score if memory.phones.phones else None,
        blocked_lens=seen.blocked,
    )


def ask(
    settings: JudgementSettings, memory: SeatMemory, seed: bytes, faces: Sequence[Face], *, at_ms: float, frame: int
) -> tuple[SeatMemory, list[Challenge]]:
    """Begin a challenge with the primary face; nobody is asked where there is none."""
    face = primary(faces, memory.track)
    if face is None:
        return memory, []
    steps = challenge.draw(seed, settings.liveness.challenge_steps)
    asked, told = challenge.begin(settings.liveness, steps, face, at_ms=at_ms, frame=frame)
    return msgspec.structs.replace(memory, challenge=asked), [told]


def states(settings: JudgementSettings | None, memory: SeatMemory) -> dict[str, State]:
    """By aspect, of all that there is anything to say of."""
    found: dict[str, State] = {}
    main = memory.track if memory.someone else 0
    if memory.identity.looked:
        found["identity"] = _identity(memory, main)
    if memory.liveness.looked:
        found["liveness"] = _liveness(memory, main)
    things = memory.phones
    if things.looked:
        found["objects"] = ObjectsState(
            things.phones > 0, things.persons, things.faceless, iso_utc(things.since_wall_ns)
        )
    if settings is not None and settings.security.enabled:
        found["security"] = security.state(memory.security)
    return found


def _identity(memory: SeatMemory, main: int) -> IdentityState:
    mine = memory.identity.of(main)
    faces = [FaceNamed(one.track, one.verdict, one.person, one.stranger) for one in memory.identity.tracks]
    if mine is None:
        return IdentityState(None, None, None, faces if main else [], iso_utc(memory.absent_wall_ns))
    return IdentityState(mine.verdict, mine.person, mine.stranger, faces, iso_utc(mine.since_wall_ns))


def _liveness(memory: SeatMemory, main: int) -> LivenessState:
    mine = memory.liveness.of(main)
    task: ChallengeStep | None = memory.challenge.step
    if mine is None:
        return LivenessState(None, None, [], task, iso_utc(memory.absent_wall_ns))
    return LivenessState(mine.verdict, mine.attack, list(mine.witnesses), task, iso_utc(mine.since_wall_ns))
