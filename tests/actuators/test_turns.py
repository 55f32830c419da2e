"""Jobs that wait for something outside: the worker is free meanwhile, and the job stays one job."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edged.actuators.durable import Ledger
from edged.actuators.effects import Abandon, Begin, Effect, Now, Outcome, Release, Tell
from edged.actuators.engine import Engine
from edged.actuators.job import Order
from edged.actuators.performer import ActionSpec, Control, Wish
from edged.actuators.settings import ActuatorSettings
from edged.actuators.worker import Worker
from edged.errors import Cancelled, Later
from edged.store.database import Database
from edged.store.migrations import JOB_MIGRATIONS


class Patient:
    """Two actions: `ask` waits for an answer, `answer` is it."""

    kind = "patient"
    actions: Mapping[str, ActionSpec] = {
        "ask": ActionSpec("ask", "Waits.", durable=True, resumes=True),
        "answer": ActionSpec("answer", "Comes first.", urgent=True),
        "other": ActionSpec("other", "Anything else."),
    }

    def __init__(self) -> None:
        self.turns: list[tuple[str, bool]] = []
        self.came = threading.Event()

    def check(self, wish: Wish) -> None:
        """Everything can be done."""

    def sensitive(self, wish: Wish) -> bool:
        return False

    def perform(self, wish: Wish, control: Control) -> str:
        self.turns.append((wish.id, control.stopping()))
        self.came.set()
        if control.stopping():
            raise Cancelled("let go")
        raise Later("waits for an answer", 60)

    def release(self) -> None:
        """There is nothing to let go of."""

    def problems(self) -> list[str]:
        return []

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(Database(tmp_path / "jobs.db", JOB_MIGRATIONS)) as made:
        yield made


@pytest.fixture
def engine(ledger: Ledger) -> Engine:
    return made_engine(ledger)


def made_engine(ledger: Ledger) -> Engine:
    return Engine(ActuatorSettings(actuator="patient"), Patient(), ledger)


def at(seconds: float) -> Now:
    return Now(1_700_000_000.0 + seconds, 50.0 + seconds)


def order(job_id: str, action: str = "ask", life_seconds: float = 600.0) -> Order:
    return Order(job_id, action, None, {}, at(0).unix, at(life_seconds).unix, f"nonce {job_id}")


def told(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(each.state.state, each.state.reason) for each in effects if isinstance(each, Tell)]


def begun(effects: list[Effect]) -> list[str]:
    return [each.wish.id for each in effects if isinstance(each, Begin)]


WAITS = Outcome("waiting", "waits for an answer", retry_after_seconds=60)


def test_a_job_that_waits_leaves_the_worker_to_others_and_goes_on_in_time(engine: Engine) -> None:
    assert begun(engine.submit(order("job-aaaa"), at(0))) == ["job-aaaa"]
    effects = engine.finished("job-aaaa", WAITS, at(1))
    assert told(effects) == [("running", "waits for an answer")]
    assert begun(engine.submit(order("job-bbbb", "other"), at(2))) == ["job-bbbb"]
    engine.finished("job-bbbb", Outcome("succeeded", "done"), at(3))
    assert engine.next_seconds(at(3)) == pytest.approx(58)
    assert begun(engine.tick(at(60.9))) == []
    effects = engine.tick(at(61))
    assert begun(effects) == ["job-aaaa"]
    assert told(effects) == []  # it has been running all the time
    assert told(engine.finished("job-aaaa", WAITS, at(62))) == []  # and nothing is new
    engine.tick(at(122))
    assert told(engine.finished("job-aaaa", Outcome("succeeded", "answered"), at(123))) == [("succeeded", "answered")]


def test_a_job_that_is_woken_has_its_turn_at_once(engine: Engine) -> None:
    engine.submit(order("job-aaaa"), at(0))
    engine.finished("job-aaaa", WAITS, at(1))
    assert begun(engine.wake("job-aaaa", at(2))) == ["job-aaaa"]


def test_who_is_woken_during_its_turn_does_not_miss_it(engine: Engine) -> None:
    engine.submit(order("job-aaaa"), at(0))
    assert begun(engine.wake("job-aaaa", at(0.5))) == []
    assert begun(engine.finished("job-aaaa", WAITS, at(1))) == ["job-aaaa"]


def test_waking_a_job_that_is_not_there_or_has_not_begun_does_nothing(engine: Engine) -> None:
    engine.submit(order("job-aaaa"), at(0))
    engine.submit(order("job-bbbb"), at(0))
    assert engine.wake("job-cccc", at(1)) == []
    assert engine.wake("job-bbbb", at(1)) == []


def test_an_urgent_job_goes_before_those_that_wait(engine: Engine) -> None:
    engine.submit(order("job-aaaa"), at(0))
    engine.submit(order("job-bbbb", "other"), at(0))
    engine.submit(order("job-cccc", "answer"), at(0))
    assert begun(engine.finished("job-aaaa", WAITS, at(1))) == ["job-cccc"]


def test_what_has_begun_does_not_expire_between_its_turns(engine: Engine) -> None:
    engine.submit(order("job-aaaa", life_seconds=10), at(0))
    engine.finished("job-aaaa", WAITS, at(1))
    assert told(engine.tick(at(30))) == []
    assert begun(engine.tick(at(61))) == ["job-aaaa"]


@pytest.mark.parametrize("how", ["cancel", "stop"])
def test_a_job_ended_between_its_turns_is_let_go_of(engine: Engine, how: str) -> None:
    engine.submit(order("job-aaaa"), at(0))
    engine.finished("job-aaaa", WAITS, at(1))
    effects = engine.cancel("job-aaaa", "enough", at(2)) if how == "cancel" else engine.stop("enough", at(2))
    assert [state for state, _ in told(effects)] == ["cancelled"]
    assert [(each.wish.id, each.wish.ended) for each in effects if isinstance(each, Abandon)] == [("job-aaaa", True)]
    assert any(isinstance(each, Release) for each in effects) == (how == "stop")
    assert engine.wake("job-aaaa", at(3)) == []


def test_a_job_that_has_not_begun_is_cancelled_without_a_turn(engine: Engine) -> None:
    engine.submit(order("job-aaaa"), at(0))
    engine.submit(order("job-bbbb"), at(0))
    effects = engine.cancel("job-bbbb", "enough", at(1))
    assert not any(isinstance(each, Abandon) for each in effects)


def test_a_job_told_to_stop_that_would_wait_is_ended(engine: Engine) -> None:
    engine.submit(order("job-aaaa"), at(0))
    engine.cancel("job-aaaa", "enough", at(1))
    effects = engine.finished("job-aaaa", WAITS, at(2))
    assert told(effects) == [("cancelled", "enough; it had come to this: waits for an answer")]
    assert any(isinstance(each, Abandon) for each in effects)


def test_a_job_that_waits_goes_on_after_a_restart_however_late(ledger: Ledger) -> None:
    before = made_engine(ledger)
    before.submit(order("job-aaaa", life_seconds=10), at(0))
    before.finished("job-aaaa", WAITS, at(1))
    after = made_engine(ledger)
    assert told(after.recover(at(30))) == [("accepted", "taken up again after a restart")]
    (begin,) = (each for each in after.tick(at(30)) if isinstance(each, Begin))
    assert begin.wish.interrupted


def test_a_job_that_waits_when_the_actuator_ends_is_left_for_the_next(engine: Engine, ledger: Ledger) -> None:
    engine.submit(order("job-aaaa"), at(0))
    engine.finished("job-aaaa", WAITS, at(1))
    assert engine.quit("ending", at(2)) == []
    assert [each.told.state for each in ledger.unfinished()] == ["running"]


def test_the_worker_gives_a_last_turn_that_says_stop_and_tells_nobody() -> None:
    patient = Patient()
    ends: list[Outcome] = []
    worker = Worker(patient, lambda _, outcome: ends.append(outcome))
    wish = Wish("job-aaaa", "ask", None, {}, 0.0, 10.0)
    worker.begin(wish)
    assert patient.came.wait(5)
    worker.abandon(wish)
    assert worker.close(5)
    assert patient.turns == [("job-aaaa", False), ("job-aaaa", True)]
    assert [(each.result, each.retry_after_seconds) for each in ends] == [("waiting", 60)]
