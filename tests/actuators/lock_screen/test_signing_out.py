from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from edged.actuators.lock_screen.choosing import Target
from edged.actuators.lock_screen.settings import LockScreenSettings
from edged.actuators.lock_screen.signing_out import sign_out
from edged.actuators.worker import JobControl
from edged.errors import ActionFailed, Cancelled
from tests.actuators.lock_screen.buses import wait_until
from tests.actuators.lock_screen.standins import FakeLogind, Seated

Settings = Callable[..., LockScreenSettings]
ANNA = Target("user", "anna")


def test_a_session_is_ended_and_seen_to_be_gone(logind: FakeLogind, settings: Settings) -> None:
    logind.add(Seated("2", user="bob"))
    logind.add(Seated("3", kind="tty", tty="pts/0", seat="", remote=True))
    assert sign_out(settings(), ANNA, JobControl()) == "signed out session 1 of anna (wayland)"
    assert list(logind.sessions) == ["2", "3"]
    assert logind.asked("TerminateSession") == 1


def test_a_text_console_is_ended_by_its_id(logind: FakeLogind, settings: Settings) -> None:
    logind.add(Seated("3", kind="tty", tty="tty3"))
    assert "text console tty3" in sign_out(settings(), Target("session", "3"), JobControl())
    assert list(logind.sessions) == ["1"]


def test_a_session_that_does_not_end_is_a_failure(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions["1"].ends = False
    with pytest.raises(ActionFailed, match=r"session 1 of anna \(wayland\) is still there \(closing\) after 1 s"):
        sign_out(settings(sign_out_seconds=1), ANNA, JobControl())


def test_it_is_told_who_is_there_when_the_one_meant_is_not(logind: FakeLogind, settings: Settings) -> None:
    with pytest.raises(ActionFailed, match=r"eve is not logged in; there are: session 1 of anna"):
        sign_out(settings(), Target("user", "eve"), JobControl())
    assert not logind.asked("TerminateSession")


def test_missing_rights_are_told_with_the_cure(logind: FakeLogind, settings: Settings) -> None:
    logind.denied = True
    with pytest.raises(ActionFailed, match=r"logind does not let this user end session 1 of anna .*polkit rule"):
        sign_out(settings(), ANNA, JobControl())
    assert list(logind.sessions) == ["1"]


def test_a_job_that_is_cancelled_while_it_waits_says_what_was_asked(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions["1"].ends = False
    control = JobControl()
    caught: list[str] = []

    def run() -> None:
        try:
            sign_out(settings(), ANNA, control)
        except Cancelled as error:
            caught.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: logind.asked("TerminateSession"))
    control.stop()
    thread.join(5)
    assert caught
