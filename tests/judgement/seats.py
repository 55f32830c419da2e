"""Scenes of a seat: who is recognised, whether live, with what in hand; on top of scenarios.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from edged.events import EventBody, Seat
from edged.judgement import judge as judging
from edged.judgement.security import Surroundings
from edged.observations import Box, Face, Identity, Liveness, Observation, Thing
from edged.settings import JudgementSettings
from tests.judgement.scenarios import WALL_NS, face

THRESHOLD = 0.4
PHONE = Thing("cell phone", 0.8, Box(60.0, 80.0, 30.0, 50.0), track=1)


def known(name: str, similarity: float = 0.7, runner_up: float | None = 0.1, quality: float = 0.9) -> Identity:
    return Identity(name, similarity, THRESHOLD, quality, runner_up)


def strange(cluster: str | None = None, similarity: float = 0.2) -> Identity:
    if cluster is None:
        return Identity("anna", similarity, THRESHOLD, 0.9)
    return Identity(cluster, 0.8, THRESHOLD, 0.9, stranger=True)


LIVE = Liveness(0.95, 0.03, 0.02)
PRINTED = Liveness(0.05, 0.9, 0.05)
REPLAYED = Liveness(0.05, 0.05, 0.9)
UNSURE = Liveness(0.5, 0.3, 0.2)


def person(identity: Identity | None = None, liveness: Liveness | None = None, *, track: int = 1, **more: Any) -> Face:
    return msgspec.structs.replace(face(track=track, **more), identity=identity, liveness=liveness)


class Seated:
    """Runs judgement frame by frame; `told` collects the bodies with their seconds. Looks come with every frame."""

    def __init__(self, settings: JudgementSettings | None = None, fps: float = 10.0) -> None:
        self.settings = settings or JudgementSettings()
        self.fps = fps
        self.frame = 0
        self.state = judging.begin(self.settings)
        self.told: list[tuple[float, EventBody]] = []
        self.around = Surroundings()

    @property
    def seconds(self) -> float:
        return self.frame / self.fps

    def show(
        self,
        seconds: float,
        *faces: Face,
        things: Sequence[Thing] | None = None,
        blocked: bool | None = None,
    ) -> Seated:
        for _ in range(round(seconds * self.fps)):
            at_ms = self.frame * 1000 / self.fps
            at_ns = round(at_ms * 1e6)
            seen = Observation(
                self.frame, self.frame + 1, at_ms, at_ns, WALL_NS + at_ns, 640, 480, tuple(faces),
                things=None if things is None else tuple(things), blocked=blocked,
            )  # fmt: skip
            self._take(judging.observe(self.settings, self.state, seen, self.around))
            self.frame += 1
        return self

    def nothing(self, seconds: float) -> Seated:
        """Time passes without pictures."""
        for _ in range(round(seconds * self.fps)):
            at_ms = self.frame * 1000 / self.fps
            at_ns = round(at_ms * 1e6)
            self._take(
                judging.elapse(
                    self.settings, self.state, self.around, at_ms=at_ms, captured_ns=at_ns, wall_ns=WALL_NS + at_ns
                )
            )
            self.frame += 1
        return self

    def ask(self, seed: bytes, *faces: Face) -> Seated:
        self._take(
            judging.challenge(
                self.settings, self.state, seed, faces, at_ms=self.frame * 1000 / self.fps, frame=self.frame,
                captured_ns=0, wall_ns=WALL_NS,
            )
        )  # fmt: skip
        return self

    def unlock(self) -> Seated:
        self.state = judging.unlocked(self.settings, self.state, WALL_NS)
        return self

    def release(self) -> Seated:
        self.state = judging.release(self.settings, self.state, WALL_NS)
        return self

    def _take(self, outcome: judging.Outcome) -> None:
        self.state = outcome.state
        self.told += [(round(self.seconds, 3), one.body) for one in outcome.happenings]

    def of(self, kind: type[Any]) -> list[Any]:
        return [body for _, body in self.told if isinstance(body, kind)]

    @property
    def verdicts(self) -> list[str]:
        return [one.verdict for one in self.of(Seat)]

    @property
    def timed(self) -> list[tuple[float, str]]:
        return [(at, body.verdict) for at, body in self.told if isinstance(body, Seat)]

    @property
    def states(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(judging.states(self.state, self.settings))
        return found


def secured(**changed: Any) -> JudgementSettings:
    """The defaults with the policy on and no grace, and some of it changed."""
    return JudgementSettings.model_validate({"security": {"enabled": True, "grace_seconds": 0, **changed}})
