"""The thread that acts: one after another, stopped when told to, and it outlives every bug."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from edged.actuators.effects import Outcome
from edged.actuators.performer import ActionSpec, Control, Wish
from edged.actuators.sensitive import Text
from edged.actuators.worker import Worker
from edged.errors import ActionFailed, Cancelled, KeyboardBlocked, Later


class Script:
    """A performer that does what the wish's action says."""

    kind = "script"
    actions: Mapping[str, ActionSpec] = {}

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []
        self.go_on = threading.Event()

    def check(self, wish: Wish) -> None:
        """Takes everything."""

    def sensitive(self, wish: Wish) -> bool:
        return False

    def perform(self, wish: Wish, control: Control) -> str:
        self.seen.append((wish.id, control.stopping()))
        if wish.action == "wait":
            if control.wait(60):
                raise Cancelled("3 of 9")
        elif wish.action == "block":
            self.go_on.wait(60)
        elif wish.action == "fail":
            raise ActionFailed("no line", retry=True, retry_after_seconds=7)
        elif wish.action == "later":
            raise Later("nobody has answered", 5)
        elif wish.action == "typing":
            raise KeyboardBlocked("uinput", "Caps Lock is on")
        elif wish.action == "bug":
            raise KeyError(f"a bug that quotes {wish.text.value if wish.text else ''}")
        return "done"

    def release(self) -> None:
        """Nothing is held."""

    def problems(self) -> list[str]:
        return []

    def close(self) -> None:
        """Nothing is held."""


def wish(job_id: str, action: str = "do") -> Wish:
    return Wish(job_id, action, Text("hunter2", sensitive=True), {}, 0, 1)


Told = queue.SimpleQueue[tuple[str, Outcome]]


@pytest.fixture
def stage() -> Iterator[tuple[Worker, Script, Told]]:
    script, told = Script(), Told()
    put: Callable[[str, Outcome], None] = lambda job_id, outcome: told.put((job_id, outcome))  # noqa: E731
    worker = Worker(script, put)
    yield worker, script, told
    script.go_on.set()
    assert worker.close(10)


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        ("do", Outcome("succeeded", "done")),
        ("fail", Outcome("failed", "no line", retry=True, retry_after_seconds=7)),
        ("later", Outcome("waiting", "nobody has answered", retry_after_seconds=5)),
        ("typing", Outcome("failed", "uinput: Caps Lock is on")),
        ("bug", Outcome("failed", "a bug in this actuator (KeyError; its log says where)")),
    ],
)
def test_what_becomes_of_an_attempt(
    stage: tuple[Worker, Script, Told], action: str, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    worker, _, told = stage
    worker.begin(wish("one", action))
    assert told.get(timeout=30) == ("one", outcome)
    worker.begin(wish("two"))
    assert told.get(timeout=30) == ("two", Outcome("succeeded", "done"))
    assert "hunter2" not in caplog.text
    assert ("in the performer" in caplog.text) == (action == "bug")


def test_who_is_told_to_stop_stops_and_the_next_is_not_stopped_by_it(stage: tuple[Worker, Script, Told]) -> None:
    worker, script, told = stage
    worker.begin(wish("one", "wait"))
    worker.halt()
    assert told.get(timeout=30) == ("one", Outcome("cancelled", "3 of 9"))
    worker.begin(wish("two"))
    assert told.get(timeout=30)[1].result == "succeeded"
    assert script.seen[1] == ("two", False)


def test_a_job_that_is_abandoned_has_a_last_turn_that_nobody_hears_of(stage: tuple[Worker, Script, Told]) -> None:
    worker, script, told = stage
    worker.abandon(wish("one"))
    worker.begin(wish("two"))
    assert told.get(timeout=30)[0] == "two"
    assert script.seen == [("one", True), ("two", False)]


def test_the_end_is_bounded_whatever_the_performer_does(stage: tuple[Worker, Script, Told]) -> None:
    worker, script, told = stage
    worker.begin(wish("one", "block"))
    assert not worker.close(0.2)
    assert worker.alive
    script.go_on.set()
    assert told.get(timeout=30)[0] == "one"
    assert worker.close(10)
    assert not worker.alive
