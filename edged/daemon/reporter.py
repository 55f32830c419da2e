"""From observations to what is published: judgement, envelopes, states, the summary. Holds the judgement's state."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from edged import events
from edged.bus.bus import Bus
from edged.daemon.vitals import StreamClock
from edged.errors import CommandRejected
from edged.events import Config, Happening, Health, HookSaid
from edged.hooks.host import Hooks
from edged.judgement import judge
from edged.judgement.security import Blocked, Surroundings
from edged.notices import SECURITY_VERDICT
from edged.observations import Face, Observation
from edged.settings import Settings
from edged.states import GazeState

log = logging.getLogger(__name__)

# Angles move with every frame; a retained state that is only a little different is told this often.
_MOVING_SECONDS = 0.5
_SEED_BYTES = 32  # of a challenge, which nobody must be able to foresee
_NEVER = events.iso_utc(0)
# A state that still holds is confirmed this often: a small part of the shortest time after which it expires.
_CONFIRM_SECONDS = 1.0
# Verdicts over the seat that are everyday life.
# What these are may be logged: the others name people.
_OF_NOBODY = ("presence", "gaze", "eyes")
_CALM = ("starting", "off", "right_user", "undecided", "nobody")
# Judgement learns that nothing comes after this much silence, so that `somebody is there` does not stay for ever.
QUIET_SECONDS = 0.5


class _Told(NamedTuple):
    state: msgspec.Struct
    at: float


class Reporter:
    """Publishes what one camera shows."""

    def __init__(
        self,
        settings: Settings,
        bus: Bus,
        hooks: Hooks,
        keep: Callable[[Mapping[str, Any], int], None],
        blocked: Blocked | None,
        keep_block: Callable[[Blocked | None], None],
    ) -> None:
        """keep: what else is done with an event's payload; captured_ns comes with it. blocked: the seat's block that is in
        force; keep_block is told of every other, before anybody else is.
        """
        self._settings = settings
        self._bus = bus
        self._hooks = hooks
        self._keep = keep
        self._session = os.urandom(8)
        self._born = events.iso_utc(time.time_ns())
        self._sequence = 0
        self._clock = StreamClock()
        self._state = judge.begin(settings.judgement, blocked)
        self._blocked = blocked
        self._keep_block = keep_block
        self._faces: tuple[Face, ...] = ()
        self._frame = -1
        self.around = Surroundings()
        self._told: dict[str, _Told] = {}
        self._last_at = time.monotonic()

    def observed(self, observation: Observation) -> None:
        """Publish what follows from an observation."""
        at_ms = self._clock.observed(observation.at_ms, observation.captured_ns)
        if at_ms != observation.at_ms:
            observation = msgspec.structs.replace(observation, at_ms=at_ms)
        self._last_at = time.monotonic()
        self._faces, self._frame = observation.faces, observation.frame
        outcome = judge.observe(self._settings.judgement, self._state, observation, self.around)
        self._publish(outcome, confirmed=True)
        self._hooks.observed(msgspec.structs.replace(observation, faces=outcome.faces))
        if self._settings.stream.landmarks and observation.landmarks:
            self._bus.stream(landmarks_payload(observation))

    def adopt(self, settings: Settings) -> None:
        """Judge by these settings from the next frame."""
        self._settings = settings

    def quiet(self, now: float) -> None:
        """Nothing was observed for a while: let time pass for judgement."""
        # A seat is to be safe also where no picture ever came.
        if now - self._last_at >= QUIET_SECONDS and (self._clock.begun or self._settings.judgement.security.enabled):
            now_ns = time.monotonic_ns()
            self._faces = ()
            self._publish(
                judge.elapse(
                    self._settings.judgement,
                    self._state,
                    self.around,
                    at_ms=self._now_ms(now_ns),
                    captured_ns=now_ns,
                    wall_ns=time.time_ns(),
                )
            )

    def _now_ms(self, now_ns: int) -> float:
        return self._clock.elapsed(now_ns) if self._clock.begun else now_ns / 1e6

    def challenge(self) -> dict[str, Any]:
        """Ask whoever sits there for a sign of life; the first step. Raises CommandRejected: there is no face to be asked."""
        now_ns = time.monotonic_ns()
        outcome = judge.challenge(
            self._settings.judgement,
            self._state,
            secrets.token_bytes(_SEED_BYTES),
            self._faces,
            at_ms=self._now_ms(now_ns),
            frame=self._frame,
            captured_ns=now_ns,
            wall_ns=time.time_ns(),
        )
        self._publish(outcome)
        bodies = [one.body for one in outcome.happenings if isinstance(one.body, events.Challenge)]
        if not bodies:
            raise CommandRejected("there is no face in view to be asked")
        return {"step": bodies[0].step, "steps": bodies[0].steps, "seconds": bodies[0].remaining_seconds}

    @property
    def people(self) -> int:
        """How many are in view, as `state/presence` says."""
        return self._state.presence.people

    def release(self) -> None:
        """End the block of the seat. Raises CommandRejected where there is none."""
        if self._blocked is None:
            raise CommandRejected("the seat is not blocked")
        self._set(judge.release(self._settings.judgement, self._state, time.time_ns()))

    def unlocked(self) -> None:
        """Somebody unlocked the seat: the grace begins."""
        self._set(judge.unlocked(self._settings.judgement, self._state, time.time_ns()))

    def _set(self, state: judge.JudgementState) -> None:
        self._take(state)
        self._tell_states(time.monotonic())

    def _take(self, state: judge.JudgementState) -> None:
        self._state = state
        blocked = judge.blocked(state)
        if blocked != self._blocked:
            # Before it is told: who pulls the plug now must find the block at the next start.
            self._blocked = blocked
            self._keep_block(blocked)

    def announce(self) -> None:
        """Publish the states as they are before anything was seen: what an earlier life left retained is not so now."""
        self._tell_states(time.monotonic())

    def happened(self, body: Config | Health | HookSaid, frame: int = -1, at_ms: float | None = None) -> None:
        """Publish an event that does not come of judgement. frame, at_ms: those it is about; by default it is about none."""
        now_ns = time.monotonic_ns()
        self._tell(Happening(body, frame, now_ns / 1e6 if at_ms is None else at_ms, now_ns, time.time_ns()))

    def _tell(self, happening: Happening) -> None:
        self._sequence += 1
        payload = events.envelope(happening, self._settings.camera, self._sequence, self._session)
        self._bus.event(payload, happening.captured_ns)
        # It is committed now.
        log.debug("event %s %s", payload["kind"], payload["id"], extra={"EVENT_ID": payload["id"]})
        if isinstance(happening.body, events.Seat):
            _tell_verdict(happening.body, payload["id"])
        self._keep(payload, happening.captured_ns)
        self._hooks.happened(payload)

    def _publish(self, outcome: judge.Outcome, *, confirmed: bool = False) -> None:
        self._take(outcome.state)
        for happening in outcome.happenings:
            self._tell(happening)
        if outcome.summary is not None:
            self._bus.summary(outcome.summary)
        self._tell_states(time.monotonic(), confirmed=confirmed)

    def _tell_states(self, now: float, *, confirmed: bool = False) -> None:
        """confirmed: somebody looked just now, so that what has not changed is still true."""
        for aspect, found in judge.states(self._state, self._settings.judgement).items():
            # What has not changed since judgement began has been so for as long as we can tell.
            state = msgspec.structs.replace(found, since=self._born) if found.since == _NEVER else found
            told = self._told.get(aspect)
            if told is not None:
                # The seat is judged also, and above all, while nobody sees anything.
                due = (confirmed or aspect == "security") and now - told.at >= _CONFIRM_SECONDS
                moving = now - told.at < _MOVING_SECONDS and _only_moved(told.state, state)
                if moving or (told.state == state and not due):
                    continue
            self._bus.state(aspect, state)
            if log.isEnabledFor(logging.DEBUG):
                what = msgspec.json.encode(state).decode() if aspect in _OF_NOBODY else ""
                log.debug("state %s%s", aspect, what and f" {what}")
            self._told[aspect] = _Told(state, now)


def _tell_verdict(body: events.Seat, event_id: str) -> None:
    """Into the log: what is so now. Not who it is, which is for those who may read the events."""
    log.log(
        logging.INFO if body.verdict in _CALM and not body.blocked else logging.WARNING, "the seat: %s (was %s)%s", body.verdict, body.previous,
        ", blocked" if body.blocked else "", extra=SECURITY_VERDICT.extra(EVENT_ID=event_id),
    )  # fmt: skip


def _only_moved(before: msgspec.Struct, after: msgspec.Struct) -> bool:
    """Both are gaze states that differ in nothing but the angles."""
    if not (isinstance(before, GazeState) and isinstance(after, GazeState)):
        return False
    return before == msgspec.structs.replace(after, yaw_degrees=before.yaw_degrees, pitch_degrees=before.pitch_degrees)


def landmarks_payload(observation: Observation) -> bytes:
    """`stream/landmarks`: one frame's points, per track, x and y in pixels of the analysed frame."""
    fields: dict[str, Any] = {
        "at": events.iso_utc(observation.wall_ns),
        "frame": observation.frame,
        "at_ms": observation.at_ms,
        "width": observation.width,
        "height": observation.height,
        "landmarks": {str(track): points for track, points in (observation.landmarks or {}).items()},
    }
    return msgspec.json.encode(fields)
