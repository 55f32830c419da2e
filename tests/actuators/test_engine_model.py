"""Whatever is asked, in whatever order, and whenever the process dies: what must never happen does not.

Beside the engine runs a model that knows only what may be promised: a job is begun once (a durable one again only after it
failed, or was cut off and says so), one at a time, not before it was confirmed, not after it expired, not while the stop is
on; each job is told one end, and nothing but the same again after it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edged.actuators.effects import Begin, Effect, Outcome, Tell
from edged.actuators.job import Order
from edged.actuators.sensitive import Text
from edged.errors import RequestRefused, SignatureRefused
from edged.jobs import FINAL
from tests.actuators.bench import ACTIONS, Bench

EPHEMERAL = {name for name, spec in ACTIONS.items() if not spec.durable}


class Model(RuleBasedStateMachine):
    """One actuator's life."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="edged-model-"))
        self.orders: dict[str, Order] = {}
        self.ends: dict[str, str] = {}
        self.begun: dict[str, int] = {}
        self.failed_since_begun: set[str] = set()
        self.cut_off: set[str] = set()
        self.confirmed: set[str] = set()
        self.running: str | None = None
        self.stopped = False
        self.bench = Bench(self.folder, queue_length=4, policy={"ask": {"confirm_seconds": 20}})

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.ledger.close()
            shutil.rmtree(self.folder)

    # -- what is told and begun is checked as it comes --------------------------------------------------------------

    def see(self, effects: list[Effect]) -> None:
        self.bench.carry(effects)
        for effect in effects:
            if isinstance(effect, Tell):
                told = effect.state
                if told.id in self.ends:
                    assert told.state == self.ends[told.id], (
                        f"{told.id} had ended as {self.ends[told.id]}, now {told.state}"
                    )
                elif told.state in FINAL:
                    self.ends[told.id] = told.state
                    if told.id == self.running:
                        self.running = None
                elif told.state == "accepted" and told.attempt > 1:
                    self.failed_since_begun.add(told.id)
            elif isinstance(effect, Begin):
                self.check_begin(effect)

    def check_begin(self, effect: Begin) -> None:
        wish = effect.wish
        order = self.orders[wish.id]
        assert self.running is None, "two at a time"
        assert wish.id not in self.ends, "begun after its end"
        assert not self.stopped, "begun while the emergency stop is on"
        assert self.bench.now.unix < order.expires_at or wish.interrupted, "begun after it expired"
        kept = self.bench.ledger.told(wish.id)
        assert kept is not None
        assert kept.state == "running", "begun before it was noted"
        if wish.id in self.begun:
            assert order.action not in EPHEMERAL, "done twice"
            assert wish.id in self.failed_since_begun, "begun again though nobody said that it failed"
            assert wish.interrupted == (wish.id in self.cut_off), "it must know whether it was cut off"
        sensitive = order.text is not None and order.text.sensitive
        if sensitive or ACTIONS[order.action].confirm == "confirm":
            assert wish.id in self.confirmed, "not confirmed"
        self.begun[wish.id] = self.begun.get(wish.id, 0) + 1
        self.failed_since_begun.discard(wish.id)
        self.running = wish.id

    # -- what happens -----------------------------------------------------------------------------------------------

    @rule(
        action=st.sampled_from(sorted([*ACTIONS, "alert", "alert"])), life_seconds=st.sampled_from([1.0, 5.0, 60.0, 86400.0, 86400.0]),
        sensitive=st.booleans(), refuse=st.sampled_from(["", "", "", "", "", "no"]),
    )  # fmt: skip
    def ask(self, action: str, life_seconds: float, sensitive: bool, refuse: str) -> None:
        text = Text("hunter2", sensitive=sensitive) if action == "say" else None
        order = self.bench.order(action, text, life_seconds=life_seconds, refuse=refuse)
        self.orders[order.id] = order
        self.see(self.bench.engine.submit(order, self.bench.now))

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(list(self.orders.values())))
        before = dict(self.begun)
        self.see(self.bench.engine.submit(order, self.bench.now))
        assert self.begun == before

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def replay_a_nonce(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(list(self.orders.values())))
        other = self.bench.order("do", nonce=order.nonce)
        with pytest.raises(SignatureRefused):
            self.bench.engine.submit(other, self.bench.now)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), by_request=st.booleans())
    def confirm(self, data: st.DataObject, by_request: bool) -> None:
        job_id = self.some_job(data)
        before = set(self.confirmed)
        self.confirmed.add(job_id)
        if not self.control("confirm", job_id, by_request=by_request):
            self.confirmed = before

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), by_request=st.booleans())
    def cancel(self, data: st.DataObject, by_request: bool) -> None:
        self.control("cancel", self.some_job(data), by_request=by_request)

    def some_job(self, data: st.DataObject) -> str:
        """Mostly one that has not ended."""
        unended = [each for each in self.orders if each not in self.ends]
        ended_too = data.draw(st.sampled_from([False, False, False, True]))
        return data.draw(st.sampled_from(unended if unended and not ended_too else list(self.orders)))

    def control(self, action: str, job_id: str, *, by_request: bool) -> bool:
        engine, now = self.bench.engine, self.bench.now
        if by_request:
            order = self.bench.order(action, job=job_id)
            self.see(engine.submit(order, now))
            return self.bench.last(order.id).state == "succeeded"
        try:
            self.see(engine.confirm(job_id, now) if action == "confirm" else engine.cancel(job_id, "no", now))
        except RequestRefused:
            return False
        return True

    @rule(lasting=st.sampled_from([False, False, True]))
    def stop(self, lasting: bool) -> None:
        self.stopped = True
        self.see(self.bench.engine.stop("smoke", self.bench.now))
        if not lasting:
            self.reset()

    @precondition(lambda self: self.stopped)
    @rule()
    def reset(self) -> None:
        self.stopped = False
        self.see(self.bench.engine.reset(self.bench.now))

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 4.0, 20.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.bench.pass_by(0.5)
            self.see(self.bench.engine.tick(self.bench.now))
            if self.dead():
                self.crash(1.0)
                return

    @rule(seconds=st.sampled_from([-3600.0, -10.0, 10.0, 100.0]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.bench.jump(seconds)

    @precondition(lambda self: self.running is not None)
    @rule(
        result=st.sampled_from(["succeeded", "failed", "failed", "cancelled"]), retry=st.sampled_from([True, True, False]),
        after=st.sampled_from([None, 0.0, 10.0]),
    )  # fmt: skip
    def the_worker_is_back(self, result: str, retry: bool, after: float | None) -> None:
        job_id = self.running
        assert job_id is not None
        self.running = None
        self.cut_off.discard(job_id)
        outcome = Outcome(result, "it says", retry, after)  # type: ignore[arg-type]  # one of the three
        self.see(self.bench.engine.finished(job_id, outcome, self.bench.now))

    @rule(seconds=st.sampled_from([0.0, 1.0, 100.0]), again=st.integers(0, 2))
    def crash_and_crash_again(self, seconds: float, again: int) -> None:
        """It is gone again before it did anything."""
        for _ in range(again):
            self.crash(seconds, goes_on=False)
        self.crash(seconds)

    def crash(self, seconds: float, *, goes_on: bool = True) -> None:
        """As SIGKILL: what was committed is there, what is in memory is gone, nothing is said."""
        if self.running is not None:
            self.cut_off.add(self.running)
            self.failed_since_begun.add(self.running)
        self.running = None
        self.see_recovery(seconds)
        if goes_on:
            self.see(self.bench.engine.tick(self.bench.now))

    @rule(back=st.booleans())
    def orderly_end(self, back: bool) -> None:
        """back: the worker stops in time."""
        self.see(self.bench.engine.quit("the actuator is ending", self.bench.now))
        running = self.running
        if back and running is not None:
            self.running = None
            if ACTIONS[self.orders[running].action].resumes:
                self.failed_since_begun.add(running)
                self.cut_off.add(running)
            self.see(self.bench.engine.finished(running, Outcome("cancelled", "stopped"), self.bench.now))
        self.crash(1.0)

    def see_recovery(self, seconds: float) -> None:
        self.bench.ledger.close()
        self.bench.now = type(self.bench.now)(self.bench.now.unix + seconds, 5.0)
        told = len(self.bench.told)
        self.bench.start()
        self.see([Tell(each) for each in self.bench.told[told:]])

    def dead(self) -> bool:
        """The engine says that only a new process helps."""
        return any(type(each).__name__ == "Stuck" for each in self.bench.effects)

    # -- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def memory_and_engine_agree(self) -> None:
        if not hasattr(self, "bench"):
            return
        engine = self.bench.engine
        assert engine.waiting <= 4
        assert engine.latch.closed == self.stopped
        assert (engine.running and engine.current == self.running) or (not engine.running and self.running is None)
        open_jobs = {each.told.id for each in self.bench.ledger.unfinished()}
        assert len(open_jobs) == engine.waiting
        for job_id in self.orders:
            assert (job_id in open_jobs) != (job_id in self.ends)
        pause = engine.next_seconds(self.bench.now)
        assert pause is None or pause >= 0
        assert "hunter2" not in repr(self.bench.told[-5:])


TestModel = pytest.mark.slow(Model.TestCase)
TestModel.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
