from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.actuators.lock_screen.choosing import Target
from edged.actuators.lock_screen.locking import lock
from edged.actuators.lock_screen.settings import LockScreenSettings
from edged.actuators.worker import JobControl
from edged.errors import ActionFailed, Cancelled
from tests.actuators.lock_screen.buses import BusDaemon, wait_until
from tests.actuators.lock_screen.conftest import Make
from tests.actuators.lock_screen.standins import FakeLogind, Seated

Settings = Callable[..., LockScreenSettings]
ANNA = Target("user", "anna")
LOGIND = ["logind"]


def test_a_session_is_locked_and_the_hint_shows_it(logind: FakeLogind, settings: Settings) -> None:
    assert lock(settings(), ANNA, JobControl()) == "locked session 1 of anna (wayland) (LockedHint)"
    assert logind.sessions["1"].behind_lock
    assert logind.asked("LockSession") == 1


def test_a_slow_desktop_is_waited_for(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions["1"].lock_seconds = 0.7
    assert "LockedHint" in lock(settings(verify_seconds=20, ways=LOGIND), ANNA, JobControl())
    assert logind.asked("LockSession") == 1


def test_a_lock_that_did_not_take_is_tried_again(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions["1"].refuses_first = 2
    assert "LockedHint" in lock(settings(ways=LOGIND), ANNA, JobControl())
    assert logind.asked("LockSession") == 3


def test_a_lock_that_never_takes_is_a_failure_that_says_so(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions["1"].obeys = False
    with pytest.raises(ActionFailed) as failed:
        lock(settings(attempts=2, ways=LOGIND, verify_seconds=0.3), ANNA, JobControl())
    assert str(failed.value) == (
        "session 1 of anna (wayland) is not locked: logind was asked and it did not lock; tried 2 times"
    )
    assert logind.asked("LockSession") == 2


def test_a_locker_that_sets_no_hint_is_no_proof_unless_the_owner_believes_it(
    logind: FakeLogind, settings: Settings
) -> None:
    logind.sessions["1"].tells = False
    with pytest.raises(ActionFailed, match="did not lock"):
        lock(settings(attempts=1, ways=LOGIND, verify_seconds=0.3), ANNA, JobControl())
    told = lock(settings(verify="none", ways=LOGIND), ANNA, JobControl())
    assert told == "locked session 1 of anna (wayland) (not verified: lock_screen.verify is none)"


@pytest.fixture
def locker(tmp_path: Path) -> Iterator[str]:
    """A program that runs while the screen is locked; its name is nobody else's."""
    program = tmp_path / f"lock-{os.getpid()}"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        yield program.name
        process.kill()


def test_a_locker_that_runs_shows_that_it_is_locked(logind: FakeLogind, settings: Settings, locker: str) -> None:
    logind.sessions["1"].tells = False
    told = lock(settings(ways=LOGIND, verify_seconds=20, lockers=["swaylock", locker]), ANNA, JobControl())
    assert f"({locker} runs)" in told


def test_a_program_that_is_no_locker_shows_nothing(logind: FakeLogind, settings: Settings, locker: str) -> None:
    logind.sessions["1"].tells = False
    with pytest.raises(ActionFailed):
        lock(settings(ways=LOGIND, attempts=1, lockers=[f"{locker}x"]), ANNA, JobControl())


def test_a_locker_of_somebody_else_shows_nothing(logind: FakeLogind, settings: Settings, locker: str) -> None:
    logind.sessions["1"].tells = False
    logind.sessions["1"].uid = 4_000_000
    with pytest.raises(ActionFailed):
        lock(settings(ways=LOGIND, attempts=1, verify="process", lockers=[locker]), ANNA, JobControl())


def test_all_sessions_are_locked_and_the_one_that_is_not_is_named(logind: FakeLogind, settings: Settings) -> None:
    logind.add(Seated("2", user="bob", obeys=False))
    logind.add(Seated("3", user="carl", kind="tty", tty="tty3"))
    with pytest.raises(ActionFailed, match=r"session 2 of bob .* is not locked: .*; session 1 of anna .* is locked"):
        lock(settings(attempts=1, ways=LOGIND, verify_seconds=0.3), Target("all"), JobControl())
    logind.sessions["2"].obeys = True
    told = lock(settings(), Target("all"), JobControl())
    assert told == (
        "locked session 1 of anna (wayland) (LockedHint), session 2 of bob (wayland) (LockedHint); "
        "open stays session 3 of carl (text console tty3)"
    )


def test_one_session_is_locked_by_its_id_and_no_other(logind: FakeLogind, settings: Settings) -> None:
    logind.add(Seated("2", user="bob"))
    lock(settings(), Target("session", "2"), JobControl())
    assert [arguments for name, arguments in logind.calls if name.endswith("LockSession")] == [("2",)]


def test_a_session_that_ends_meanwhile_needs_no_lock(logind: FakeLogind, settings: Settings) -> None:
    logind.vanish = True
    assert lock(settings(), ANNA, JobControl()) == "locked session 1 of anna (wayland) (it has ended)"


def test_where_nobody_is_logged_in_there_is_nothing_to_lock_for_all(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions.clear()
    assert lock(settings(), Target("all"), JobControl()) == "nobody is at a desktop: there was nothing to lock"


def test_missing_rights_are_told_with_the_cure_and_not_tried_again(logind: FakeLogind, settings: Settings) -> None:
    logind.denied = True
    with pytest.raises(ActionFailed, match=r"logind does not let this user lock session 1 of anna .*polkit rule\)$"):
        lock(settings(), ANNA, JobControl())
    assert logind.asked("LockSession") == 1


def test_without_a_bus_it_fails_with_the_address(settings: Settings, tmp_path: Path) -> None:
    address = f"unix:path={tmp_path}/nothing"
    with pytest.raises(ActionFailed, match=f"there is no system bus at {address}; tried 3 times"):
        lock(settings(system_bus=address), ANNA, JobControl())


def test_without_logind_it_says_what_brings_it(system_bus: BusDaemon, settings: Settings) -> None:
    with pytest.raises(ActionFailed, match=r"logind is not there \(it comes with systemd; elsewhere install elogind\)"):
        lock(settings(attempts=1), ANNA, JobControl())


def test_a_bus_that_dies_and_returns_is_used_again(system_bus: BusDaemon, settings: Settings, make: Make) -> None:
    first = make(FakeLogind, system_bus, Seated("1", obeys=False))
    told: list[str] = []
    thread = threading.Thread(
        target=lambda: told.append(lock(settings(attempts=10, pause_seconds=1), ANNA, JobControl()))
    )
    thread.start()
    wait_until(lambda: first.asked("LockSession"))
    system_bus.kill()
    system_bus.start()
    make(FakeLogind, system_bus, Seated("1"))
    thread.join(30)
    assert told == ["locked session 1 of anna (wayland) (LockedHint)"]


def test_a_logind_that_does_not_answer_is_left_when_the_job_is_cancelled(
    logind: FakeLogind, settings: Settings
) -> None:
    logind.silent = True
    control = JobControl()
    caught: list[BaseException] = []

    def run() -> None:
        try:
            lock(settings(), ANNA, control)
        except Cancelled as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: logind.asked("ListSessions"))
    control.stop()
    thread.join(4)  # less than logind is given for its answer
    assert caught


def test_a_frozen_bus_holds_nobody_for_ever(logind: FakeLogind, system_bus: BusDaemon, settings: Settings) -> None:
    system_bus.freeze()
    with pytest.raises(ActionFailed, match="system bus does not answer"):
        lock(settings(attempts=1), ANNA, JobControl())


def test_a_cancelled_job_asks_nobody(logind: FakeLogind, settings: Settings) -> None:
    control = JobControl()
    control.stop()
    with pytest.raises(Cancelled):
        lock(settings(), ANNA, control)
    assert not logind.asked("LockSession")
