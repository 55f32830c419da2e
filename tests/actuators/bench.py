"""An engine and a gate on a real ledger, with a performer that does nothing and a clock that is set by hand."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edged.actuators.asking import encoded, make_request
from edged.actuators.durable import Ledger
from edged.actuators.effects import Begin, Effect, Halt, Now, Outcome, Stuck, Tell
from edged.actuators.engine import Engine
from edged.actuators.gate import Gate
from edged.actuators.job import Order
from edged.actuators.performer import ActionSpec, Wish
from edged.actuators.sensitive import Text
from edged.actuators.settings import ActuatorSettings
from edged.bus.message import Message
from edged.errors import EdgedError, RequestRefused, StoreError
from edged.jobs import JobState
from edged.store.database import Database
from edged.store.migrations import JOB_MIGRATIONS

KEY = bytes(range(32))
NOON = 1_700_000_000.0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """refuse, break_: what `check` does. secret: the performer says it is sensitive."""

    refuse: str = ""
    broken: str = ""
    secret: bool = False
    number: int = 0


ACTIONS: Mapping[str, ActionSpec] = {
    spec.name: spec
    for spec in (
        ActionSpec("do", "Does it.", options=Options, timeout_seconds=60),
        ActionSpec("say", "Needs a text.", "countdown", needs_text=True, options=Options),
        ActionSpec("count", "Counts down.", "countdown", options=Options, countdown_seconds=3),
        ActionSpec("ask", "Asks.", "confirm", options=Options),
        ActionSpec("alert", "Is kept.", durable=True, resumes=True, options=Options),
        ActionSpec("letter", "Is kept, but not resumed.", durable=True, options=Options),
        ActionSpec("plea", "Is kept, and asks.", "confirm", durable=True, resumes=True, options=Options),
        ActionSpec("off", "Is off.", enabled=False, options=Options),
        ActionSpec("mute", "Takes no text.", takes_text=False, options=Options),
    )
}


class Nobody:
    """Takes everything."""

    actions = ACTIONS

    def check(self, wish: Wish) -> None:
        if wish.options["refuse"]:
            raise RequestRefused(wish.options["refuse"])
        if wish.options["broken"] == "edged":
            raise EdgedError("the keyboard is gone")
        if wish.options["broken"]:
            raise ValueError(f"a bug that quotes {wish.text.value if wish.text else ''}")

    def sensitive(self, wish: Wish) -> bool:
        return bool(wish.options["secret"])


class Bench:
    """What the runtime does, by hand. told: every state, in order."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = ActuatorSettings.model_validate({"actuator": "bench", **settings})
        self.now = Now(NOON, 1000.0)
        self.told: list[JobState] = []
        self.begun: list[Wish] = []
        self.effects: list[Effect] = []
        self.start()

    def start(self) -> None:
        self.ledger = Ledger(Database(self.folder / "actuator-bench.jobs.db", JOB_MIGRATIONS))
        self.engine = Engine(self.settings, Nobody(), self.ledger, random.Random(1))
        self.gate = Gate(self.settings, KEY if self.settings.signing.required else None, self.engine)
        self.carry(self.engine.recover(self.now))

    def crash(self, seconds: float = 1.0) -> None:
        """The process is gone without a word, and another one comes."""
        self.ledger.close()
        self.now = Now(self.now.unix + seconds, 5.0)  # the steady clock begins anew as well
        self.start()

    def carry(self, effects: list[Effect]) -> list[Effect]:
        """What the runtime does with them."""
        self.effects = effects
        for effect in effects:
            if isinstance(effect, Tell):
                self.told.append(effect.state)
                if effect.state.state in ("succeeded", "failed", "cancelled", "expired", "rejected"):
                    with contextlib.suppress(StoreError):  # it is told again after a restart
                        self.ledger.sent(effect.state.id)
            elif isinstance(effect, Begin):
                self.begun.append(effect.wish)
        return effects

    def wait(self, seconds: float) -> None:
        """Time passes, and the engine is woken when it wants to be, as the runtime does."""
        end = self.now.steady + seconds
        for _ in range(100_000):
            pause = self.engine.next_seconds(self.now)
            if pause is None or self.now.steady + pause > end:
                break
            self.pass_by(pause)
            before = self.now
            self.carry(self.engine.tick(self.now))
            if self.engine.next_seconds(self.now) == 0 and before == self.now and not self.effects:
                raise AssertionError("the engine would never sleep")
            if any(isinstance(each, Stuck) for each in self.effects):
                return
        self.pass_by(end - self.now.steady)

    def jump(self, seconds: float) -> None:
        """The wall clock is set."""
        self.now = Now(self.now.unix + seconds, self.now.steady)

    def pass_by(self, seconds: float) -> None:
        """Time passes, and nobody wakes the engine."""
        self.now = Now(self.now.unix + seconds, self.now.steady + seconds)

    def order(
        self, action: str, text: Text | None = None, *, job_id: str = "", life_seconds: float = 60.0, nonce: str = "",
        source: str = "request", digest: str = "", **options: Any,
    ) -> Order:  # fmt: skip
        made = make_request("bench", action, now=self.now.unix, life_seconds=life_seconds)
        return Order(
            job_id or made["id"], action, text, options, made["issued_at"], made["expires_at"], nonce or made["nonce"],
            source, digest,
        )  # fmt: skip

    def ask(self, action: str, text: Text | None = None, **more: Any) -> str:
        """Submit; the id."""
        order = self.order(action, text, **more)
        self.carry(self.engine.submit(order, self.now))
        return order.id

    def end(self, result: Any = "succeeded", reason: str = "done", **more: Any) -> None:
        """The worker is back with the job that runs."""
        assert self.engine.running
        assert self.engine.current is not None
        self.carry(self.engine.finished(self.engine.current, Outcome(result, reason, **more), self.now))

    def states(self, job_id: str) -> list[str]:
        return [each.state for each in self.told if each.id == job_id]

    def last(self, job_id: str) -> JobState:
        return [each for each in self.told if each.id == job_id][-1]

    def stopped(self) -> bool:
        """The emergency stop is on."""
        return self.engine.latch.closed

    def halted(self) -> bool:
        """The last call told the worker to stop."""
        return any(isinstance(each, Halt) for each in self.effects)

    def request(self, action: str = "do", **more: Any) -> dict[str, Any]:
        """A signed one."""
        age_seconds, key = more.pop("age_seconds", 0.0), more.pop("key", KEY)
        made: dict[str, Any] = {"life_seconds": 60.0, **more}
        return make_request("bench", action, now=self.now.unix - age_seconds, key=key, **made)

    def take(
        self, request: Mapping[str, Any] | bytes, *, retain: bool = False, duplicate: bool = False
    ) -> list[JobState]:
        """It comes in; what is told at once."""
        payload = request if isinstance(request, bytes) else encoded(request)
        message = Message("edged/actuator/bench/request", payload, 1, retain, duplicate=duplicate)
        effects = self.carry(self.gate.take(message, self.now))
        return [each.state for each in effects if isinstance(each, Tell)]
