"""The active witness: somebody is asked to blink and to turn the head, in an order nobody could know before.

The next step is told only when the one before is done, and all must be done by a deadline; a turn to the other side than
asked fails at once. A face that is lost fails, and so does another one that takes its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edged.events import Blink, ChallengeStep
from edged.events import Challenge as Told
from edged.observations import Face
from edged.settings.verdicts import LivenessJudgementSettings

MILLISECONDS = 1000.0
_STEPS: tuple[ChallengeStep, ...] = ("blink", "turn_left", "turn_right")
# Nobody reacts faster: what comes sooner was not an answer to what was asked (human reaction time is above 0.15 s).
_REACTION_MS = 150.0
_LOST_MS = 1000.0
# A turn begins from a head that is back within this share of the turn.
_BACK = 0.5


class ChallengeMemory(msgspec.Struct, frozen=True):
    """steps: all, in order; empty: no challenge is on. done: how many. asked_ms: when the present one was told.

    asked_frame: and on which frame. centre_degrees: the head's yaw that turns are counted from. armed: the head has come
    back since the last turn.
    """

    steps: tuple[ChallengeStep, ...] = ()
    done: int = 0
    track: int = 0
    began_ms: float = 0.0
    asked_ms: float = 0.0
    asked_frame: int = 0
    seen_ms: float = 0.0
    centre_degrees: float = 0.0
    armed: bool = True

    @property
    def step(self) -> ChallengeStep | None:
        """What is to be done now."""
        return self.steps[self.done] if self.done < len(self.steps) else None


class Ended(NamedTuple):
    """How a challenge ended, and whose."""

    track: int
    passed: bool


def draw(seed: bytes, count: int) -> tuple[ChallengeStep, ...]:
    """The steps that follow from a seed: no step comes twice in a row, and of several one is a blink.

    The seed must be one that nobody can guess (secrets.token_bytes); the same gives the same, so that replays agree.
    """
    steps: list[ChallengeStep] = []
    while len(steps) < count:
        open_to = [each for each in _STEPS if not steps or each != steps[-1]]
        steps.append(open_to[_chance(seed, len(steps), len(open_to))])
    if count > 1 and "blink" not in steps:
        steps[_chance(seed, count, count)] = "blink"
    return tuple(steps)


def _chance(seed: bytes, number: int, of: int) -> int:
    """The number-th throw of a die with `of` sides."""
    digest = hashlib.blake2b(number.to_bytes(4, "big"), key=seed[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") % of


def begin(
    settings: LivenessJudgementSettings, steps: tuple[ChallengeStep, ...], face: Face, *, at_ms: float, frame: int
) -> tuple[ChallengeMemory, Told]:
    """Ask a face for the first step. Who was being asked already is asked anew."""
    memory = ChallengeMemory(
        steps, track=face.track, began_ms=at_ms, asked_ms=at_ms, asked_frame=frame, seen_ms=at_ms,
        centre_degrees=face.yaw_degrees or 0.0,
    )  # fmt: skip
    return memory, _told(settings, memory, "asked", at_ms)


def step(
    settings: LivenessJudgementSettings,
    memory: ChallengeMemory,
    faces: Sequence[Face],
    blinks: Sequence[Blink],
    *,
    at_ms: float,
    frame: int,
) -> tuple[ChallengeMemory, list[Told], Ended | None]:
    """Take in the faces of a frame, and the blinks told on it; without faces, time passes."""
    wanted = memory.step
    if wanted is None:
        return memory, [], None
    face = next((one for one in faces if one.track == memory.track), None)
    if face is not None:
        memory = msgspec.structs.replace(memory, seen_ms=at_ms)
    if at_ms - memory.began_ms > settings.challenge_seconds * MILLISECONDS:
        return _failed(settings, memory, f"not done within {settings.challenge_seconds:g} s", at_ms)
    if at_ms - memory.seen_ms > _LOST_MS:
        return _failed(settings, memory, "the face was lost", at_ms)
    turned = _turned(settings, memory, face)
    if turned is not None and at_ms - memory.asked_ms >= _REACTION_MS:
        if wanted not in (turned, "blink"):
            return _failed(
                settings, memory, f"asked for {wanted.replace('_', ' ')}, the head turned the other way", at_ms
            )
        if turned == wanted:
            return _next(settings, memory, at_ms, frame, armed=False)
    back = face is not None and abs(_yaw(memory, face)) < _BACK * settings.challenge_turn_degrees
    if back and not memory.armed:
        memory = msgspec.structs.replace(memory, armed=True)
    answered = [
        one
        for one in blinks
        if one.track == memory.track
        and one.gesture in ("single", "double", "triple", "long")
        and one.first_frame >= memory.asked_frame
    ]
    if wanted == "blink" and answered and at_ms - memory.asked_ms >= _REACTION_MS:
        return _next(settings, memory, at_ms, frame, armed=back)
    return memory, [], None


def _yaw(memory: ChallengeMemory, face: Face) -> float:
    return (face.yaw_degrees or 0.0) - memory.centre_degrees


def _turned(settings: LivenessJudgementSettings, memory: ChallengeMemory, face: Face | None) -> ChallengeStep | None:
    """To which of the sitter's own sides the head has been turned since it last was in the middle."""
    if face is None or face.yaw_degrees is None or not memory.armed:
        return None
    yaw = _yaw(memory, face)
    if abs(yaw) < settings.challenge_turn_degrees:
        return None
    return "turn_left" if yaw > 0 else "turn_right"


def _next(
    settings: LivenessJudgementSettings, memory: ChallengeMemory, at_ms: float, frame: int, *, armed: bool
) -> tuple[ChallengeMemory, list[Told], Ended | None]:
    memory = msgspec.structs.replace(memory, done=memory.done + 1, asked_ms=at_ms, asked_frame=frame, armed=armed)
    if memory.step is None:
        return ChallengeMemory(), [_told(settings, memory, "passed", at_ms)], Ended(memory.track, True)
    return memory, [_told(settings, memory, "step_done", at_ms)], None


def _failed(
    settings: LivenessJudgementSettings, memory: ChallengeMemory, reason: str, at_ms: float
) -> tuple[ChallengeMemory, list[Told], Ended | None]:
    told = msgspec.structs.replace(_told(settings, memory, "failed", at_ms), reason=reason)
    return ChallengeMemory(), [told], Ended(memory.track, False)


def _told(settings: LivenessJudgementSettings, memory: ChallengeMemory, status: str, at_ms: float) -> Told:
    left = settings.challenge_seconds - (at_ms - memory.began_ms) / MILLISECONDS
    return Told(
        status,  # type: ignore[arg-type]
        memory.step,
        min(memory.done + 1, len(memory.steps)),
        len(memory.steps),
        round(max(0.0, left), 1),
        "",
        memory.track,
    )
