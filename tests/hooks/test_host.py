"""Hooks in their processes, good ones and bad ones, from the daemon's side."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edged.hooks.host import PATIENCE
from edged.processes.table import Patience
from tests.daemon.conftest import alive
from tests.hooks.conftest import Hosting, event, observation


def test_a_hook_is_called_with_events_and_what_it_returns_is_said(host: Hosting) -> None:
    stage = host({"echo": {"options": {"greeting": "hello"}}})
    stage.until(lambda: stage.running("echo"))
    stage.hooks.happened(event("blink", frame=77, at_ms=3080.0))
    stage.until(lambda: stage.said)
    ((name, data, frame, at_ms),) = stage.said
    assert (name, frame, at_ms) == ("echo", 77, 3080.0)
    assert data == {"heard": "blink", "frame": 77, "greeting": "hello", "pid": stage.pid("echo")}
    assert data["pid"] != os.getpid()


def test_a_function_may_make_the_hook(host: Hosting) -> None:
    stage = host({"factory": {}})
    stage.until(lambda: stage.running("factory"))
    stage.hooks.happened(event())
    stage.until(lambda: stage.data("factory"))


def test_a_hook_is_called_with_observations(host: Hosting) -> None:
    stage = host({"watcher": {}})
    stage.until(lambda: stage.running("watcher"))
    stage.hooks.observed(observation(5, faces=2))
    stage.until(lambda: stage.said)
    assert stage.said == [("watcher", {"faces": 2, "zones": [None, None], "sequence": 5}, 5, 200.0)]


def test_the_owner_may_keep_observations_and_kinds_of_events_from_a_hook(host: Hosting) -> None:
    stage = host({"watcher": {"observations": False}, "echo": {"events": ["gaze"]}})
    stage.until(lambda: stage.running("watcher", "echo"))
    stage.hooks.observed(observation())
    stage.hooks.happened(event("presence"))
    stage.hooks.happened(event("gaze"))
    stage.until(lambda: stage.said)
    assert [data["heard"] for data in stage.data("echo")] == ["gaze"]
    states = stage.hooks.states()
    assert states["watcher"].calls == 0
    assert states["echo"].calls == 1


def test_what_hooks_say_is_not_handed_to_hooks(host: Hosting) -> None:
    stage = host({"echo": {}})
    stage.until(lambda: stage.running("echo"))
    stage.hooks.happened(event("hook"))
    stage.hooks.happened(event("presence"))
    stage.until(lambda: stage.said)
    assert [data["heard"] for data in stage.data("echo")] == ["presence"]


def test_calls_with_observations_keep_the_cooldown(host: Hosting, tmp_path: Path) -> None:
    stage = host({"quiet": {"options": {"folder": str(tmp_path)}}})
    stage.until(lambda: stage.running("quiet"))
    calls = tmp_path / "calls"
    sequence = 0

    def shown() -> bool:
        nonlocal sequence
        sequence += 1
        stage.hooks.observed(observation(sequence))
        return calls.exists() and len(calls.read_text().splitlines()) >= 4

    stage.until(shown)
    moments = [float(line) for line in calls.read_text().splitlines()]
    # The calls are begun at least 0.2 s apart; on their way each may be late by a little.
    assert (moments[-1] - moments[0]) / (len(moments) - 1) > 0.15
    assert sequence > 4


def test_a_hook_that_hangs_is_replaced_with_all_that_it_started_and_the_call_does_not_come_again(
    host: Hosting, tmp_path: Path
) -> None:
    stage = host({"sleeper": {"options": {"folder": str(tmp_path)}}})
    stage.until(lambda: stage.running("sleeper"))
    first = stage.pid("sleeper")
    stage.hooks.happened(event(change="slow"))
    stage.until(lambda: (tmp_path / "company").exists() and (tmp_path / "company").read_text())
    company = int((tmp_path / "company").read_text())
    stage.hooks.happened(event(change="quick"))  # waits meanwhile
    stage.until(lambda: stage.said)
    assert [(loss.cause, loss.reason) for loss in stage.losses] == [
        ("process_hung", "hook sleeper did not come back from the event presence within 0.3 s")
    ]
    assert stage.data("sleeper")[0]["pid"] != first
    assert not alive(first)
    stage.until(lambda: not _running(company))


def _running(pid: int) -> bool:
    """Nobody may have reaped it yet: then it is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_owners_timeout_wins_over_the_hooks(host: Hosting, tmp_path: Path) -> None:
    stage = host({"sleeper": {"timeout_seconds": 0.8, "options": {"folder": str(tmp_path)}}})
    stage.until(lambda: stage.running("sleeper"))
    begun = time.monotonic()
    stage.hooks.happened(event(change="slow"))
    stage.until(lambda: stage.losses)
    assert stage.losses[0].reason.endswith("within 0.8 s")
    assert time.monotonic() - begun >= 0.8


def test_handing_over_never_waits_for_a_hook(host: Hosting, tmp_path: Path) -> None:
    stage = host({"sleeper": {"timeout_seconds": 60, "options": {"folder": str(tmp_path)}}})
    stage.until(lambda: stage.running("sleeper"))
    stage.hooks.happened(event(change="slow"))
    for number in range(5000):
        stage.hooks.happened(event(change="quick", frame=number))
    state = stage.hooks.states()["sleeper"]
    assert state.calls == 1
    assert state.skipped == 5000 - 64


@pytest.mark.parametrize(("change", "reason"), [("crash", "SIGSEGV"), ("exit", "ended with status 1")])
def test_a_hook_that_crashes_is_replaced(host: Hosting, change: str, reason: str) -> None:
    stage = host({"crasher": {}, "echo": {}})
    stage.until(lambda: stage.running("crasher", "echo"))
    first = stage.pid("crasher")
    stage.hooks.happened(event(change=change))
    stage.until(lambda: stage.losses)
    assert reason in stage.losses[0].reason
    stage.until(lambda: stage.running("crasher"))
    stage.hooks.happened(event(change="fine"))
    stage.until(lambda: stage.data("crasher"))
    assert stage.data("crasher")[0]["pid"] != first
    stage.until(lambda: len(stage.data("echo")) == 2)
    assert stage.hooks.states()["echo"].restarts == 0, "the other hook did not notice"


def test_a_frozen_hook_is_replaced_though_it_has_nothing_to_do(host: Hosting) -> None:
    stage = host({"echo": {}})
    stage.until(lambda: stage.running("echo"))
    os.kill(stage.pid("echo"), signal.SIGSTOP)
    stage.until(lambda: stage.losses)
    assert "SIGSTOP" in stage.losses[0].reason
    stage.until(lambda: stage.running("echo"))


def test_pauses_between_restarts_grow(host: Hosting) -> None:
    assert list(PATIENCE.pauses) == sorted(PATIENCE.pauses)
    assert PATIENCE.pauses[-1] >= 30
    stage = host({"badstart": {}}, patience=Patience(pauses=(0.0, 0.1, 0.2), jitter=0.0, doublings=0))
    stage.until(lambda: len(stage.losses) >= 4)
    assert [loss.pause_seconds for loss in stage.losses[:4]] == [0.0, 0.1, 0.2, 0.2]
    assert stage.losses[0].reason == "hook badstart: its start failed with OSError"
    (problem,) = stage.hooks.problems()
    assert problem == f"{stage.losses[0].reason}, again and again; it is started again after a pause (see the log)"


def test_a_call_that_raises_costs_nothing_but_itself(host: Hosting, capfd: pytest.CaptureFixture[str]) -> None:
    stage = host({"raiser": {}})
    stage.until(lambda: stage.running("raiser"))
    for number in range(4):
        stage.hooks.happened(event(change="bad", frame=number))
    stage.until(lambda: stage.hooks.states()["raiser"].failed == 4)
    assert not stage.losses
    (problem,) = stage.hooks.problems()
    assert problem == "hook raiser fails with ValueError, again and again (see the log)"
    log = capfd.readouterr().err
    assert log.count("ValueError: token") == 1, "the same is not told again at once"
    assert "toyhooks.py" in log
    stage.hooks.happened(event(change="good"))
    stage.until(lambda: stage.said)


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ("list", "returned a value of type list (a dictionary is published, None is not)"),
        ("set", "returned what JSON cannot say: Object of type set is not JSON serializable"),
        ("nan", "returned what JSON cannot say: Out of range float values are not JSON compliant"),
        ("long", "returned 9009 bytes (at most 8192 are published)"),
        ("name", "returned text that is no Unicode"),
        ("deep", "returned what is nested more than 32 deep"),
    ],
)
def test_what_cannot_be_published_is_a_failed_call(host: Hosting, change: str, trouble: str) -> None:
    stage = host({"odd": {}})
    stage.until(lambda: stage.running("odd"))
    for _ in range(3):
        stage.hooks.happened(event(change=change))
    stage.until(lambda: stage.hooks.states()["odd"].failed == 3)
    assert not stage.said
    (problem,) = stage.hooks.problems()
    assert problem.startswith(f"hook odd {trouble}")


@pytest.mark.parametrize("change", ["deep", "half"])
def test_an_answer_that_cannot_be_read_is_a_failed_call_and_not_the_end_of_the_daemon(
    host: Hosting, change: str
) -> None:
    stage = host({"liar": {}, "echo": {}})
    stage.until(lambda: stage.running("liar", "echo"))
    stage.hooks.happened(event(change=change))
    stage.until(lambda: stage.hooks.states()["liar"].failed == 1)
    stage.until(lambda: stage.data("echo"))
    assert not stage.data("liar")


def test_a_hook_that_says_something_about_every_frame_is_held_back(host: Hosting) -> None:
    stage = host({"watcher": {}})
    stage.until(lambda: stage.running("watcher"))

    def called(times: int) -> bool:
        return stage.hooks.states()["watcher"].calls == times

    for sequence in range(1, 41):
        stage.hooks.observed(observation(sequence))
        stage.until(partial(called, sequence))
    stage.until(stage.hooks.problems)
    assert 10 <= len(stage.said) < 40
    assert stage.hooks.problems()[0].startswith("hook watcher says more than one thing a second")


def test_a_hook_cannot_take_more_memory_than_it_may(host: Hosting) -> None:
    stage = host({"hog": {"memory_megabytes": 96}})
    stage.until(lambda: stage.running("hog"))
    stage.hooks.happened(event())
    stage.until(lambda: stage.hooks.states()["hog"].failed == 1)
    assert not stage.losses


def test_a_hook_gets_no_frames_no_foreign_settings_and_comes_last(
    host: Hosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGED_HOOKS__OTHER__OPTIONS", '{"token": "s3cret"}')
    monkeypatch.setenv("EDGED_MQTT__PASSWORD", "s3cret")
    stage = host({"curious": {}, "echo": {"options": {"token": "s3cret"}}})
    stage.until(lambda: stage.running("curious"))
    stage.hooks.happened(event())
    stage.until(lambda: stage.data("curious"))
    (seen,) = stage.data("curious")
    assert not [name for name in seen["descriptors"] if "memfd" in name]
    assert not {"EDGED_HOOKS__OTHER__OPTIONS", "EDGED_MQTT__PASSWORD"} & set(seen["variables"])
    assert seen["nice"] >= 10
    assert seen["kill_first"] > 0


def test_what_a_hook_prints_goes_to_the_log(host: Hosting, capfd: pytest.CaptureFixture[str]) -> None:
    stage = host({"printer": {}, "echo": {}})
    stage.until(lambda: stage.running("printer", "echo"))
    stage.hooks.happened(event())
    captured = ["", ""]

    def printed() -> bool:
        out, err = capfd.readouterr()
        captured[0] += out
        captured[1] += err
        return "printed by a hook" in captured[1]

    stage.until(printed)
    assert "printed by a hook" not in captured[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("eho", "hook eho: no installed package offers a hook eho (did you mean echo?)"),
        ("gone", "hook gone: toyhooks:Gone of edged-toys 1.0 cannot be loaded: "),
        ("absent", "hook absent: no_such_module:Hook of edged-toys 1.0 cannot be loaded: No module named"),
        ("number", "hook number: toyhooks:number of edged-toys 1.0 is of type int ("),
        ("no_hook", "hook no_hook: toyhooks:no_hook of edged-toys 1.0 returns a value of type int (derive it"),
        ("nocalls", "hook nocalls: toyhooks:NoCalls of edged-toys 1.0 has neither on_event nor on_observation"),
        ("badevents", "hook badevents: BadEvents.events is no tuple of texts"),
        ("badcooldown", "hook badcooldown: cooldown_seconds of the hook is -1 (it is a number of seconds, or None)"),
    ],
)
def test_what_is_no_hook_is_said_with_its_cure_and_tried_again_later(host: Hosting, name: str, reason: str) -> None:
    stage = host({name: {}})
    stage.until(lambda: stage.losses)
    assert stage.losses[0].final
    assert stage.losses[0].reason.startswith(reason)
    assert stage.hooks.problems() == (stage.losses[0].reason,)
    assert stage.hooks.states()[name].status == "waiting"
    stage.until(lambda: stage.hooks.states()[name].restarts == 2)
    assert len(stage.losses) == 1, "the same is not told again"


def test_a_kind_of_event_that_does_not_exist_is_a_problem(host: Hosting) -> None:
    stage = host({"misspelt": {}})
    stage.until(lambda: stage.running("misspelt"))
    assert stage.hooks.problems() == (
        "there are no events presense, which hook misspelt asks for (did you mean presence?)",
    )


def test_a_hook_that_is_installed_while_the_daemon_runs_is_found(host: Hosting, site: Path) -> None:
    from tests.hooks.packages import install

    stage = host({"late": {}})
    stage.until(lambda: stage.losses)
    install(site, "edged-late", {"late": "toyhooks:Echo"})
    stage.until(lambda: stage.running("late"))
    assert stage.hooks.problems() == ()


def test_stopping_lets_hooks_close_and_kills_those_that_do_not_end(host: Hosting, tmp_path: Path) -> None:
    options: dict[str, Any] = {"options": {"folder": str(tmp_path)}}
    stage = host({"quiet": options, "sleeper": {"timeout_seconds": 60, **options}})
    stage.until(lambda: stage.running("quiet", "sleeper"))
    stage.hooks.happened(event(change="slow"))
    stage.until(lambda: (tmp_path / "company").exists() and (tmp_path / "company").read_text())
    company = int((tmp_path / "company").read_text())
    pids = [stage.pid("quiet"), stage.pid("sleeper")]
    stage.hooks.farewell()
    stage.hooks.stop(1.0)
    assert (tmp_path / "closed").exists()
    assert not any(alive(pid) for pid in pids)
    stage.until(lambda: not _running(company))


def test_what_a_hook_forked_ends_with_it(host: Hosting) -> None:
    stage = host({"forker": {}})
    stage.until(lambda: stage.running("forker"))
    stage.hooks.happened(event())
    (said,) = stage.until(lambda: stage.data("forker"))
    stage.hooks.stop(5.0)
    stage.until(lambda: not _running(said["child"]))


def test_a_hook_that_is_switched_off_does_not_run(host: Hosting) -> None:
    stage = host({"echo": {"enabled": False}})
    assert stage.hooks.states() == {}
    assert stage.hooks.tick() > 1
