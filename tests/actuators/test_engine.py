"""The queue of one actuator, as scenarios in simulated time on a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.effects import Abandon, Begin, Halt, Outcome, Release, Stuck
from edged.actuators.sensitive import Text
from edged.errors import RequestRefused, SignatureRefused
from edged.jobs import FINAL
from tests.actuators.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def settled(tmp_path: Path, **settings: Any) -> Bench:
    return Bench(tmp_path, **settings)


# -- the way of a job -----------------------------------------------------------------------------------------------


def test_a_job_is_accepted_runs_and_ends(bench: Bench) -> None:
    job = bench.ask("do", number=3)
    assert bench.states(job) == ["accepted", "running"]
    assert (bench.begun[0].id, bench.begun[0].options["number"], bench.begun[0].options["refuse"]) == (job, 3, "")
    bench.end("succeeded", "three were done")
    assert bench.states(job) == ["accepted", "running", "succeeded"]
    assert bench.last(job).reason == "three were done"
    assert (bench.engine.waiting, bench.engine.current, bench.engine.running) == (0, None, False)


def test_jobs_run_one_at_a_time_in_the_order_they_came(bench: Bench) -> None:
    jobs = [bench.ask("do") for _ in range(4)]
    assert bench.last(jobs[3]).reason == "accepted; 3 before it"
    for number, _ in enumerate(jobs):
        assert [each.id for each in bench.begun] == jobs[: number + 1]
        bench.wait(5)
        bench.end()
    assert [bench.states(job)[-1] for job in jobs] == ["succeeded"] * 4


def test_a_countdown_is_told_each_second_and_then_it_begins(bench: Bench) -> None:
    job = bench.ask("count")
    assert bench.states(job) == ["accepted", "countdown"]
    bench.wait(2.999)
    assert [each.remaining_seconds for each in bench.told if each.state == "countdown"] == [3, 2, 1]
    assert bench.begun == []
    bench.wait(0.002)
    assert bench.states(job)[-1] == "running"
    assert bench.last(job).remaining_seconds is None


@pytest.mark.parametrize(("seconds", "shown"), [(0, []), (0.5, [1]), (2.5, [3, 2, 1]), (1, [1])])
def test_countdowns_of_any_length(tmp_path: Path, seconds: float, shown: list[float]) -> None:
    bench = settled(tmp_path, policy={"do": {"confirm": "countdown", "countdown_seconds": seconds}})
    job = bench.ask("do")
    bench.wait(seconds)
    assert [each.remaining_seconds for each in bench.told if each.state == "countdown"] == shown
    assert bench.states(job)[-1] == "running"


def test_the_countdown_begins_when_it_is_the_jobs_turn(bench: Bench) -> None:
    bench.ask("do")
    job = bench.ask("count")
    bench.wait(10)
    assert bench.states(job) == ["accepted"]
    bench.end()
    assert bench.states(job) == ["accepted", "countdown"]


def test_a_confirmation_is_waited_for_and_the_next_job_waits_behind_it(bench: Bench) -> None:
    job = bench.ask("ask")
    behind = bench.ask("do")
    told = bench.last(job)
    assert (told.state, told.waits_for_confirmation, told.remaining_seconds) == ("accepted", True, 30)
    assert f"edged act bench confirm {job}" in told.reason
    bench.wait(29)
    bench.carry(bench.engine.confirm(job, bench.now))
    assert bench.states(job)[-1] == "running"
    assert not bench.last(job).waits_for_confirmation
    bench.end()
    assert bench.states(behind)[-1] == "running"


def test_what_nobody_confirms_expires_and_cannot_be_confirmed_any_more(bench: Bench) -> None:
    job = bench.ask("ask", life_seconds=300)
    bench.wait(29.9)
    assert bench.states(job)[-1] == "accepted"
    bench.pass_by(0.1)
    with pytest.raises(RequestRefused, match="too late"):
        bench.engine.confirm(job, bench.now)
    bench.wait(0)
    assert bench.states(job)[-1] == "expired"
    assert "nobody confirmed it within 30 s" in bench.last(job).reason
    with pytest.raises(RequestRefused, match="waits for a confirmation"):
        bench.engine.confirm(job, bench.now)


def test_a_confirmation_is_not_waited_for_longer_than_the_request_is_good_for(bench: Bench) -> None:
    job = bench.ask("ask", life_seconds=5)
    assert bench.last(job).remaining_seconds == 5
    bench.wait(5)
    assert bench.states(job)[-1] == "expired"


def test_what_needs_no_confirmation_cannot_be_confirmed(bench: Bench) -> None:
    job = bench.ask("count")
    with pytest.raises(RequestRefused, match="needs no confirmation"):
        bench.engine.confirm(job, bench.now)
    bench.wait(3)
    with pytest.raises(RequestRefused, match="waits for a confirmation"):
        bench.engine.confirm(job, bench.now)


# -- sensitive ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["none", "countdown", "confirm"])
def test_sensitive_text_is_always_confirmed_whatever_the_policy(tmp_path: Path, policy: str) -> None:
    bench = settled(tmp_path, policy={"say": {"confirm": policy}})
    job = bench.ask("say", Text("hunter2", sensitive=True))
    assert bench.last(job).waits_for_confirmation
    bench.wait(20)
    assert bench.begun == []
    bench.carry(bench.engine.confirm(job, bench.now))
    assert bench.begun[0].text == Text("hunter2", sensitive=True)
    bench.end("succeeded", "typed 7 characters")
    assert "hunter2" not in repr(bench.told) + repr(bench.begun)


def test_what_the_performer_calls_sensitive_is_confirmed_too(tmp_path: Path) -> None:
    bench = settled(tmp_path, policy={"do": {"confirm": "none"}})
    assert bench.last(bench.ask("do", secret=True)).waits_for_confirmation


def test_a_durable_job_takes_no_sensitive_text(bench: Bench) -> None:
    job = bench.ask("alert", Text("hunter2", sensitive=True))
    assert bench.states(job) == ["rejected"]
    assert "no sensitive text" in bench.last(job).reason


@pytest.mark.parametrize("reason", ["cannot type 'hunter2'", "hunter2", "xhunter2x hunter2"])
def test_a_performer_that_quotes_sensitive_text_is_not_repeated(bench: Bench, reason: str) -> None:
    job = bench.ask("say", Text("hunter2", sensitive=True))
    bench.carry(bench.engine.confirm(job, bench.now))
    bench.end("failed", reason)
    assert "hunter" not in repr(bench.told)
    refused = bench.ask("say", Text("hunter2", sensitive=True), refuse=reason)
    assert bench.states(refused) == ["rejected"]
    assert "hunter" not in repr(bench.told) + bench.engine.register.last_error


# -- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "options", "word"),
    [
        ("nothing", {}, "there is no action 'nothing' here (there are do, say"),
        ("off", {}, "policy.off.enabled = true turns it on"),
        ("say", {}, "say needs a text"),
        ("mute", {"text": Text("x")}, "mute takes no text"),
        ("do", {"refuse": "no such recipient"}, "no such recipient"),
        ("do", {"broken": "edged"}, "the keyboard is gone"),
        ("do", {"broken": "yes"}, "a bug in this actuator (ValueError; its log says where)"),
        ("do", {"colour": 1}, "the options of do are wrong"),
        ("do", {"number": "1"}, "the options of do are wrong"),
        ("do", {"number": True}, "the options of do are wrong"),
        ("x" * 1000, {}, "there is no action"),
    ],
)
def test_what_cannot_be_done_is_rejected_with_the_reason(bench: Bench, action: str, options: Any, word: str) -> None:
    job = bench.ask(action, **options)
    assert bench.states(job) == ["rejected"]
    assert word in bench.last(job).reason
    assert bench.begun == []
    bench.crash()
    order = bench.order("do", job_id=job)  # the id was used
    bench.carry(bench.engine.submit(order, bench.now))
    assert bench.states(job)[-1] == "rejected"


def test_a_bug_in_a_performer_quotes_nothing_in_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.ask("say", Text("hunter2"), broken="yes")
    assert "ValueError in the performer" in caplog.text
    assert "hunter2" not in caplog.text + repr(bench.told)


def test_the_queue_is_bounded_and_what_left_it_makes_room(tmp_path: Path) -> None:
    bench = settled(tmp_path, queue_length=3)
    jobs = [bench.ask("do") for _ in range(4)]
    assert bench.states(jobs[3]) == ["rejected"]
    assert "busy: 3 jobs wait (queue_length)" in bench.last(jobs[3]).reason
    bench.end()
    assert bench.states(bench.ask("do")) == ["accepted"]
    bench.carry(bench.engine.cancel(jobs[2], "no", bench.now))
    assert bench.states(bench.ask("do")) == ["accepted"]


def test_long_texts_are_refused(tmp_path: Path) -> None:
    bench = settled(tmp_path, text_characters=5)
    assert "6 characters; at most 5" in bench.last(bench.ask("say", Text("äöüßé!"))).reason
    assert bench.states(bench.ask("say", Text("äöüßé")))[0] == "accepted"


def test_each_action_has_its_own_limit_that_counts_over_a_restart(tmp_path: Path) -> None:
    bench = settled(tmp_path, policy={"do": {"limit": 2, "limit_seconds": 100}})
    for _ in range(2):
        bench.ask("do")
        bench.end()
        bench.wait(10)
    refused = bench.ask("do")
    assert "rate limit: 2 jobs in 100 s (policy.do.limit); again in 80 s" in bench.last(refused).reason
    bench.crash()
    assert bench.states(bench.ask("do")) == ["rejected"]
    assert bench.states(bench.ask("letter"))[0] == "accepted"
    bench.end()
    bench.wait(79)
    assert bench.states(bench.ask("do"))[0] == "accepted"  # what is refused does not count


def test_a_dry_run_goes_all_the_way_and_begins_nothing(tmp_path: Path) -> None:
    bench = settled(tmp_path, dry_run=True)
    jobs = [bench.ask("count"), bench.ask("do"), bench.ask("alert")]
    bench.wait(3)
    for job in jobs:
        assert bench.states(job)[-2:] == ["running", "succeeded"]
        assert "was not done" in bench.last(job).reason
    assert bench.begun == []


# -- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["count", "ask"])
def test_expires_at_is_kept_to_the_second_while_it_waits(tmp_path: Path, action: str) -> None:
    bench = settled(tmp_path, policy={"count": {"countdown_seconds": 60}, "ask": {"confirm_seconds": 60}})
    job = bench.ask(action, life_seconds=20)
    behind = bench.ask("do", life_seconds=20)
    bench.wait(19.9)
    assert bench.states(job)[-1] != "expired"
    bench.wait(0.1)
    assert bench.states(job)[-1] == bench.states(behind)[-1] == "expired"
    assert "nothing was done" in bench.last(job).reason
    assert bench.begun == []


def test_a_job_whose_time_comes_with_its_expiry_is_not_begun(bench: Bench) -> None:
    job = bench.ask("count", life_seconds=3)
    bench.wait(3)
    assert bench.states(job)[-1] == "expired"


def test_a_clock_that_is_set_forward_expires_what_waits_and_one_set_back_begins_nothing_old(bench: Bench) -> None:
    first, second = bench.ask("do"), bench.ask("do")
    bench.jump(61)
    bench.end()
    assert (bench.states(first)[-1], bench.states(second)[-1]) == ("succeeded", "expired")
    job = bench.ask("count")
    bench.jump(-86400)
    bench.wait(3)  # the countdown is by the clock that is never set
    assert bench.states(job)[-1] == "running"


def test_a_clock_that_is_set_back_lets_no_request_live_longer(bench: Bench) -> None:
    waiting = bench.ask("ask", life_seconds=20)
    bench.jump(-86400)
    bench.wait(21)
    assert bench.last(waiting).state == "expired"
    assert bench.begun == []


def test_what_runs_does_not_expire_but_has_its_timeout(tmp_path: Path) -> None:
    bench = settled(tmp_path, policy={"do": {"timeout_seconds": 100}})
    job = bench.ask("do", life_seconds=10)
    bench.wait(99)
    assert bench.states(job)[-1] == "running"
    assert not bench.halted()
    bench.wait(1)
    assert bench.halted()
    bench.end("cancelled", "5 of 9 characters were typed")
    assert bench.states(job)[-1] == "failed"
    assert bench.last(job).reason == "it took longer than its timeout; 5 of 9 characters were typed"


def test_what_does_not_stop_is_given_up_and_the_process_with_it(bench: Bench) -> None:
    job, behind = bench.ask("do"), bench.ask("do")
    bench.carry(bench.engine.cancel(job, "no", bench.now))
    assert bench.effects == [Halt(job)]
    bench.wait(4.9)
    assert bench.states(job)[-1] == "running"
    bench.wait(0.2)
    assert [type(each) for each in bench.effects if not hasattr(each, "state")] == [Release, Stuck]
    assert bench.states(job)[-1] == "failed"
    assert "did not stop within 5 s" in bench.last(job).reason
    assert bench.engine.finished(job, Outcome("succeeded", "late"), bench.now) == []  # nobody listens any more
    bench.wait(1000)
    assert bench.states(behind)[-1] in ("accepted", "expired")
    assert len(bench.begun) == 1


# -- cancelling -----------------------------------------------------------------------------------------------------


def test_cancel_works_at_every_stage(bench: Bench) -> None:
    running = bench.ask("do")
    waiting = bench.ask("do")
    bench.carry(bench.engine.cancel(waiting, "changed my mind", bench.now))
    assert (bench.states(waiting)[-1], bench.last(waiting).reason) == ("cancelled", "changed my mind")
    bench.carry(bench.engine.cancel(running, "changed my mind", bench.now))
    assert bench.halted()
    assert bench.states(running)[-1] == "running"  # until the worker is back
    bench.end("cancelled", "3 of 9 characters were typed")
    assert bench.last(running).reason == "changed my mind; 3 of 9 characters were typed"
    for action in ("count", "ask"):
        job = bench.ask(action)
        bench.wait(1)
        bench.carry(bench.engine.cancel(None, "no", bench.now))
        assert bench.states(job)[-1] == "cancelled"
        with pytest.raises(RequestRefused, match="nothing to cancel"):
            bench.engine.cancel(job, "no", bench.now)
    retried = bench.ask("alert", life_seconds=600)
    bench.end("failed", "no line", retry=True)
    bench.carry(bench.engine.cancel(retried, "no", bench.now))
    assert bench.states(retried)[-1] == "cancelled"
    bench.wait(1000)
    assert [each.id for each in bench.begun] == [running, retried]


def test_a_job_that_was_done_before_the_cancel_came_has_succeeded(bench: Bench) -> None:
    job = bench.ask("do")
    bench.carry(bench.engine.cancel(job, "no", bench.now))
    bench.end("succeeded", "done")
    assert bench.states(job) == ["accepted", "running", "succeeded"]


def test_a_performer_that_stops_by_itself_has_failed(bench: Bench) -> None:
    job = bench.ask("do")
    bench.end("cancelled", "somebody else took the keyboard")
    assert bench.states(job)[-1] == "failed"


def test_cancel_and_confirm_by_request_name_the_job_and_are_jobs_themselves(bench: Bench) -> None:
    job = bench.ask("ask")
    confirm = bench.ask("confirm", job=job)
    assert (bench.states(confirm), bench.states(job)[-1]) == (["succeeded"], "running")
    cancel = bench.ask("cancel", job=job, reason="enough")
    assert bench.last(cancel).reason == f"job {job} is told to stop"
    bench.end("cancelled", "stopped")
    assert bench.last(job).reason == "enough; stopped"
    for action, options in (
        ("cancel", {"job": job}),
        ("confirm", {"job": job}),
        ("cancel", {"job": 5}),
        ("confirm", {"x": 1}),
    ):
        assert bench.states(bench.ask(action, **options)) == ["rejected"]
    assert bench.states(bench.ask("cancel", Text("x"))) == ["rejected"]


def test_a_control_sent_again_does_nothing_again(bench: Bench) -> None:
    first = bench.ask("ask")
    order = bench.order("confirm")  # whichever it is
    bench.carry(bench.engine.submit(order, bench.now))
    bench.end()
    second = bench.ask("ask")
    bench.carry(bench.engine.submit(order, bench.now))
    bench.crash()
    bench.carry(bench.engine.submit(order, bench.now))
    assert (bench.states(first)[-1], bench.states(second)[-1]) == ("succeeded", "failed")
    assert len(bench.begun) == 1
    with pytest.raises(SignatureRefused, match="nonce"):
        bench.engine.submit(bench.order("confirm", nonce=order.nonce), bench.now)


# -- the emergency stop ---------------------------------------------------------------------------------------------


def test_the_stop_ends_everything_and_holds_over_a_restart_until_reset(bench: Bench) -> None:
    running, waiting, kept = bench.ask("do"), bench.ask("count"), bench.ask("alert")
    bench.carry(bench.engine.stop("smoke", bench.now))
    assert bench.effects[0] == Release()
    assert bench.halted()
    assert bench.states(waiting)[-1] == bench.states(kept)[-1] == "cancelled"
    bench.end("cancelled", "stopped")
    assert bench.last(running).reason == "emergency stop: smoke; stopped"
    for _ in range(2):
        job = bench.ask("do")
        assert "the emergency stop is on (since 2023-11-14T22:13:20.000Z: smoke)" in bench.last(job).reason
        bench.crash()
        assert bench.stopped()
    assert bench.states(bench.ask("reset")) == ["succeeded"]
    assert bench.states(bench.ask("reset")) == ["rejected"]
    bench.crash()
    assert bench.states(bench.ask("do"))[-1] == "running"


def test_a_stop_while_the_actuator_is_down_ends_what_was_kept(bench: Bench) -> None:
    running = bench.ask("alert")
    waiting = bench.ask("alert")
    (bench.folder / "actuator-bench.stopped").touch()
    bench.crash()
    assert bench.states(waiting)[-1] == bench.states(running)[-1] == "cancelled"
    assert [each.wish.id for each in bench.effects if isinstance(each, Abandon)] == [running]
    assert "actuator-bench.stopped is there" in bench.engine.latch.words


def test_the_stop_is_kept_though_the_database_is_lost(bench: Bench) -> None:
    bench.carry(bench.engine.stop("smoke", bench.now))
    bench.ledger.close()
    for path in bench.folder.glob("*.db*"):
        path.unlink()
    bench.start()
    assert bench.stopped()


# -- durable and ephemeral ------------------------------------------------------------------------------------------


def test_ephemeral_jobs_die_with_the_process_and_that_is_told(bench: Bench) -> None:
    running, waiting = bench.ask("do"), bench.ask("count")
    bench.crash()
    assert bench.states(running)[-1] == bench.states(waiting)[-1] == "failed"
    assert "in the middle: it may have been done in part" in bench.last(running).reason
    assert "before it began: nothing was done" in bench.last(waiting).reason
    bench.crash()
    assert len(bench.states(running)) == 3
    assert len(bench.begun) == 1


def test_durable_jobs_are_taken_up_again(bench: Bench) -> None:
    running, waiting, letter = bench.ask("alert", number=7), bench.ask("alert"), bench.ask("letter")
    bench.crash()
    bench.wait(0)
    again = bench.begun[-1]
    assert (again.id, again.attempt, again.interrupted, again.options["number"]) == (running, 2, True, 7)
    bench.end()
    assert (bench.begun[-1].id, bench.begun[-1].attempt, bench.begun[-1].interrupted) == (waiting, 1, False)
    bench.end()
    assert bench.begun[-1].id == letter
    bench.crash()
    assert bench.states(letter)[-1] == "failed"  # it cannot tell how far it was


def test_that_it_was_cut_off_is_known_however_often_the_process_ends_before_the_next_attempt(bench: Bench) -> None:
    blocking = bench.ask("do")
    bench.end()
    job = bench.ask("alert", life_seconds=3600)
    for _ in range(3):
        bench.crash()
    assert blocking != job
    bench.wait(0)
    assert (bench.begun[-1].attempt, bench.begun[-1].interrupted) == (2, True)
    bench.end("failed", "no line", retry=True)
    bench.crash()
    bench.wait(0)
    assert (bench.begun[-1].attempt, bench.begun[-1].interrupted) == (3, False)


def test_what_expired_while_nobody_was_there_is_not_done(bench: Bench) -> None:
    blocking, waiting = bench.ask("do"), bench.ask("letter", life_seconds=60)
    bench.crash(seconds=61)
    bench.wait(0)
    assert bench.states(waiting)[-1] == "expired"
    assert [each.id for each in bench.begun] == [blocking]


def test_what_was_confirmed_is_not_asked_again_after_a_restart(bench: Bench) -> None:
    job = bench.ask("plea", life_seconds=3600)
    bench.carry(bench.engine.confirm(job, bench.now))
    bench.end("failed", "no line", retry=True)
    bench.crash()
    bench.wait(0)
    assert bench.states(job)[-1] == "running"
    unconfirmed = bench.ask("plea", life_seconds=3600)
    bench.crash()
    bench.wait(0)
    bench.end()
    assert bench.last(unconfirmed).waits_for_confirmation


def test_what_was_turned_off_in_the_meantime_is_not_done(bench: Bench) -> None:
    bench.ask("do")
    job = bench.ask("letter")
    bench.settings = bench.settings.model_copy(
        update={"policy": type(bench.settings).model_validate({"policy": {"letter": {"enabled": False}}}).policy}
    )
    bench.crash()
    assert bench.states(job)[-1] == "cancelled"
    assert "turned off" in bench.last(job).reason


def test_a_durable_job_is_tried_again_with_growing_pauses_until_it_succeeds(bench: Bench) -> None:
    job = bench.ask("alert", life_seconds=86400)
    pauses = []
    for attempt in range(1, 12):
        assert bench.begun[-1].attempt == attempt
        bench.end("failed", "no line", retry=True)
        before = bench.now.steady
        while not bench.engine.running:
            pause = bench.engine.next_seconds(bench.now)
            assert pause is not None
            bench.wait(pause)
        pauses.append(bench.now.steady - before)
    ceilings = [min(300, 2.0 * 2**each) for each in range(11)]
    assert all(ceiling / 2 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))
    assert len({round(pause / ceiling, 6) for pause, ceiling in zip(pauses, ceilings, strict=True)}) > 5  # jitter
    bench.end()
    assert bench.states(job)[-1] == "succeeded"


def test_others_have_their_turn_while_it_waits_for_its_next_attempt(bench: Bench) -> None:
    job = bench.ask("alert", life_seconds=3600)
    bench.end("failed", "no line", retry=True, retry_after_seconds=100)
    other = bench.ask("do")
    assert bench.states(other)[-1] == "running"
    bench.end()
    bench.wait(99)
    assert bench.states(job)[-1] == "accepted"
    assert "attempt 2 in 100 s" in bench.last(job).reason
    bench.wait(1)
    assert bench.states(job)[-1] == "running"


def test_it_is_tried_until_it_expires_and_never_after(bench: Bench) -> None:
    job = bench.ask("alert", life_seconds=1000)
    moments = []
    while bench.states(job)[-1] == "running":
        moments.append(bench.now.unix)
        bench.end("failed", "no line", retry=True)
        while bench.states(job)[-1] == "accepted":
            bench.wait(0.5)
    expires = bench.begun[0].expires_at
    assert bench.states(job)[-1] == "failed"
    assert "no line; it expires before the next attempt" in bench.last(job).reason
    assert moments == sorted(moments)
    assert moments[-1] < expires
    assert expires - moments[-1] < 10  # there was no time for one more


def test_the_other_ends_wish_to_be_left_alone_is_respected_to_the_end(bench: Bench) -> None:
    job = bench.ask("alert", life_seconds=100)
    bench.end("failed", "429", retry=True, retry_after_seconds=101)
    assert bench.states(job)[-1] == "failed"


@pytest.mark.parametrize(("action", "retry"), [("do", True), ("alert", False), ("letter", False)])
def test_what_is_hopeless_or_of_its_moment_is_not_tried_again(bench: Bench, action: str, retry: bool) -> None:
    job = bench.ask(action, life_seconds=3600)
    bench.end("failed", "no", retry=retry)
    bench.wait(3599)
    assert bench.states(job) == ["accepted", "running", "failed"]
    assert bench.engine.register.last_error == f"{action}: no"


def test_an_orderly_end_tells_everybody_and_keeps_what_is_durable(bench: Bench) -> None:
    running = bench.ask("alert", life_seconds=3600)
    waiting, ephemeral = bench.ask("letter", life_seconds=3600), bench.ask("count")
    bench.carry(bench.engine.quit("the actuator is ending", bench.now))
    assert bench.halted()
    assert bench.states(ephemeral)[-1] == "cancelled"
    assert "is ending" in bench.last(bench.ask("do")).reason
    late = bench.ask("alert", life_seconds=3600)
    bench.end("cancelled", "stopped")
    assert [each.id for each in bench.begun] == [running]
    bench.crash()
    for job in (running, waiting, late):
        bench.wait(0)
        assert bench.states(job)[-1] == "running"
        bench.end()
    assert [bench.states(each)[-1] for each in (running, waiting, late)] == ["succeeded"] * 3


# -- jobs that wait for something outside ---------------------------------------------------------------------------


def test_a_job_that_waits_frees_the_worker_and_goes_on_when_woken_or_due(bench: Bench) -> None:
    job = bench.ask("alert", life_seconds=3600)
    bench.end("waiting", "nobody has answered", retry_after_seconds=600)
    other = bench.ask("do")
    assert bench.states(other)[-1] == "running"
    bench.carry(bench.engine.wake(job, bench.now))
    assert len(bench.begun) == 2
    bench.end()
    assert [each.id for each in bench.begun] == [job, other, job]
    bench.end("waiting", "nobody has answered", retry_after_seconds=600)
    bench.wait(600)
    assert len(bench.begun) == 4
    bench.end()
    assert bench.states(job)[-1] == "succeeded"


def test_a_waiting_job_can_be_cancelled_and_is_let_go_of(bench: Bench) -> None:
    job = bench.ask("alert", life_seconds=3600)
    bench.end("waiting", "nobody has answered", retry_after_seconds=600)
    bench.carry(bench.engine.cancel(job, "she is home", bench.now))
    assert [each.wish.id for each in bench.effects if isinstance(each, Abandon)] == [job]
    assert bench.states(job)[-1] == "cancelled"
    bench.wait(3600)
    assert len(bench.begun) == 1


# -- the disk -------------------------------------------------------------------------------------------------------


def test_each_job_is_told_one_end_and_each_state_is_on_the_disk_before_it_is_told(bench: Bench) -> None:
    jobs = [bench.ask("do"), bench.ask("count"), bench.ask("ask")]
    while bench.engine.waiting:
        if bench.engine.running:
            bench.end()
        bench.wait(31)
    for job in jobs:
        assert sum(state in FINAL for state in bench.states(job)) == 1
        assert bench.ledger.told(job) == bench.last(job)


def test_a_last_word_that_may_not_have_gone_out_is_said_again_at_the_start(bench: Bench) -> None:
    order = bench.order("do")
    bench.engine.submit(order, bench.now)
    effects = bench.engine.finished(order.id, Outcome("succeeded", "done"), bench.now)
    assert effects
    bench.crash()  # before anything was done about them
    assert bench.states(order.id) == ["succeeded"]
    bench.crash()
    assert bench.states(order.id) == ["succeeded"]


def test_begin_comes_after_the_note_of_it(bench: Bench) -> None:
    order = bench.order("do")
    effects = bench.engine.submit(order, bench.now)
    assert [type(each).__name__ for each in effects] == ["Tell", "Tell", "Begin"]
    (begin,) = [each for each in effects if isinstance(each, Begin)]
    told = bench.ledger.told(begin.wish.id)
    assert told is not None
    assert told.state == "running"
