"""Desktops that do not listen to logind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.lock_screen import desktop_child
from edged.actuators.lock_screen.choosing import Target
from edged.actuators.lock_screen.locking import lock
from edged.actuators.lock_screen.settings import LockScreenSettings
from edged.actuators.worker import JobControl
from edged.errors import ActionFailed, Cancelled
from tests.actuators.lock_screen.buses import BusDaemon, Refuses, wait_until
from tests.actuators.lock_screen.conftest import Make
from tests.actuators.lock_screen.standins import FakeLogind, FakeScreensaver, FakeUserManager, Seated

Settings = Callable[..., LockScreenSettings]
ANNA = Target("user", "anna")


@pytest.fixture(autouse=True)
def _deaf(logind: FakeLogind) -> None:
    logind.sessions["1"].obeys = False


@pytest.mark.parametrize(
    "name", [each.service for each in desktop_child.SCREENSAVERS if each.service != "org.gnome.ScreenSaver"]
)
def test_the_screensaver_of_a_desktop_locks_and_says_so(
    name: str, settings: Settings, session_bus: BusDaemon, make: Make
) -> None:
    saver = make(FakeScreensaver, session_bus, name)
    told = lock(settings(session_bus=session_bus.address, verify_seconds=0.5), ANNA, JobControl())
    assert told == f"locked session 1 of anna (wayland) ({name} is active)"
    assert saver.asked("Lock") == 1


def test_that_gnome_is_dark_does_not_show_that_it_is_locked(
    logind: FakeLogind, settings: Settings, session_bus: BusDaemon, make: Make
) -> None:
    saver = make(FakeScreensaver, session_bus, "org.gnome.ScreenSaver")
    chosen = settings(session_bus=session_bus.address, verify_seconds=0.5, attempts=1, ways=["logind", "screensaver"])
    with pytest.raises(ActionFailed, match="its screensaver was asked and it did not lock"):
        lock(chosen, ANNA, JobControl())
    assert saver.active
    believing = chosen.model_copy(update={"verify": "screensaver"})
    assert "(org.gnome.ScreenSaver is active)" in lock(believing, ANNA, JobControl())


def test_gnome_locks_by_its_own_name_and_sets_the_hint(
    logind: FakeLogind, settings: Settings, session_bus: BusDaemon, make: Make
) -> None:
    saver = make(FakeScreensaver, session_bus, "org.gnome.ScreenSaver")
    done = threading.Event()

    def hints() -> None:
        wait_until(lambda: saver.active or done.is_set())
        logind.hint("1", locked=True)

    thread = threading.Thread(target=hints)
    thread.start()
    chosen = settings(session_bus=session_bus.address, verify_seconds=20, ways=["screensaver"])
    assert "(LockedHint)" in lock(chosen, ANNA, JobControl())
    done.set()
    thread.join()


def test_the_desktops_own_screensaver_is_asked_before_the_common_name(
    settings: Settings, session_bus: BusDaemon, make: Make
) -> None:
    common = make(FakeScreensaver, session_bus, "org.freedesktop.ScreenSaver")
    own = make(FakeScreensaver, session_bus, "org.cinnamon.ScreenSaver")
    assert "org.cinnamon" in lock(settings(session_bus=session_bus.address, verify_seconds=0.5), ANNA, JobControl())
    assert own.asked("Lock")
    assert not common.asked("Lock")


def test_what_every_way_said_is_in_the_failure(settings: Settings, session_bus: BusDaemon) -> None:
    with pytest.raises(ActionFailed) as failed:
        lock(
            settings(session_bus=session_bus.address, verify_seconds=0.3, attempts=1,
                     ways=["logind", "screensaver"]), ANNA, JobControl(),
        )  # fmt: skip
    assert str(failed.value) == (
        "session 1 of anna (wayland) is not locked: logind was asked and it did not lock; "
        "no screensaver is on the desktop's D-Bus"
    )


def test_a_desktop_without_a_bus_is_told(settings: Settings) -> None:
    with pytest.raises(ActionFailed, match=r"there is no session bus at unix:path=.*/none"):
        lock(settings(verify_seconds=0.3, attempts=1, ways=["screensaver"]), ANNA, JobControl())


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_xdg_screensaver_is_the_last_way_and_gets_the_desktops_environment(
    logind: FakeLogind, settings: Settings, session_bus: BusDaemon, make: Make, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    make(FakeUserManager, session_bus, "DISPLAY=:7", "XAUTHORITY=/x/auth", "SECRET=hidden", "odd")
    program(tmp_path, "xdg-screensaver", f"env > {tmp_path}/env; echo $1 > {tmp_path}/argument")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("EDGED_MQTT__PASSWORD", "not for the desktop")
    chosen = settings(session_bus=session_bus.address, verify="none")
    assert "not verified" in lock(chosen, ANNA, JobControl())
    seen = (tmp_path / "env").read_text(encoding="utf-8").splitlines()
    assert (tmp_path / "argument").read_text(encoding="utf-8") == "lock\n"
    assert "DISPLAY=:7" in seen
    assert "XAUTHORITY=/x/auth" in seen
    assert f"DBUS_SESSION_BUS_ADDRESS={session_bus.address}" in seen
    assert not [line for line in seen if "hidden" in line or "not for the desktop" in line]


def test_what_xdg_screensaver_complains_of_is_told(
    settings: Settings, session_bus: BusDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "xdg-screensaver", "echo 'xdg-screensaver: no display' >&2; exit 4")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    chosen = settings(session_bus=session_bus.address, ways=["xdg_screensaver"], attempts=1)
    with pytest.raises(ActionFailed, match="xdg-screensaver failed: xdg-screensaver: no display"):
        lock(chosen, ANNA, JobControl())


def test_without_xdg_screensaver_its_package_is_named(
    settings: Settings, session_bus: BusDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    chosen = settings(session_bus=session_bus.address, ways=["xdg_screensaver"], attempts=1)
    with pytest.raises(ActionFailed, match=r"xdg-screensaver is not installed \(package xdg-utils\)"):
        lock(chosen, ANNA, JobControl())


def test_xscreensaver_is_asked_whether_it_has_locked(
    settings: Settings, session_bus: BusDaemon, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(FakeScreensaver):
        """As xscreensaver's: it has the name, so that players can inhibit it, and locks by other ways."""

        def answer(self, path: str, interface: str, member: str, arguments: tuple[Any, ...]) -> tuple[str | None, Any]:
            raise Refuses("org.freedesktop.DBus.Error.UnknownMethod", f"Unknown method {member}")

    make(Deaf, session_bus, "org.freedesktop.ScreenSaver")
    program(tmp_path, "xdg-screensaver", f"touch {tmp_path}/locked")
    program(
        tmp_path, "xscreensaver-command",
        f"test -e {tmp_path}/locked && word=locked || word=non-blanked; echo XScreenSaver 6.06: screen $word since Sat",
    )  # fmt: skip
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    chosen = settings(session_bus=session_bus.address, verify_seconds=0.5, attempts=1)
    assert "(xscreensaver is active)" in lock(chosen, ANNA, JobControl())
    (tmp_path / "locked").unlink()
    with pytest.raises(ActionFailed):
        lock(chosen.model_copy(update={"ways": ["logind"]}), ANNA, JobControl())


def children() -> list[int]:
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", desktop_child.__name__], capture_output=True, text=True, check=False
    ).stdout
    return [int(each) for each in found.split()]


def test_a_screensaver_that_hangs_is_left_when_the_job_is_cancelled(
    settings: Settings, session_bus: BusDaemon, make: Make
) -> None:
    saver = make(FakeScreensaver, session_bus, "org.mate.ScreenSaver")
    saver.silent = True
    control = JobControl()
    caught: list[BaseException] = []

    def run() -> None:
        try:
            lock(settings(session_bus=session_bus.address, ways=["screensaver"]), ANNA, control)
        except Cancelled as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: saver.asked("Lock"))
    control.stop()
    thread.join(4)
    assert caught
    assert not children()


def test_a_child_that_is_killed_costs_an_attempt(settings: Settings, session_bus: BusDaemon, make: Make) -> None:
    saver = make(FakeScreensaver, session_bus, "org.mate.ScreenSaver")
    saver.silent = True
    told: list[str] = []
    chosen = settings(session_bus=session_bus.address, ways=["screensaver"], attempts=3)
    thread = threading.Thread(target=lambda: told.append(lock(chosen, ANNA, JobControl())))
    thread.start()
    wait_until(lambda: saver.asked("Lock"))
    [child] = children()
    os.kill(child, signal.SIGKILL)
    saver.silent = False
    thread.join(30)
    assert told == ["locked session 1 of anna (wayland) (org.mate.ScreenSaver is active)"]
    assert not children()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_speaks_to_a_desktop_as_its_user(
    logind: FakeLogind, settings: Settings, session_bus: BusDaemon, make: Make, short: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    nobody = 65534
    logind.sessions["1"].uid = nobody
    short.chmod(0o755)
    tmp = short / "bin"
    tmp.mkdir(mode=0o755)
    out = short / "out"
    out.mkdir()
    out.chmod(0o777)
    program(tmp, "xdg-screensaver", f"id -u > {out}/uid; id -G > {out}/groups")
    monkeypatch.setenv("PATH", f"{tmp}:{os.environ['PATH']}")
    chosen = settings(session_bus=session_bus.address, verify="none", ways=["xdg_screensaver"], attempts=1)
    try:
        told = lock(chosen, ANNA, JobControl())
    except ActionFailed as error:
        if "no answer" in str(error) or "must be readable" in str(error):
            pytest.skip("this Python or this checkout is where nobody else may read it")
        raise
    assert "not verified" in told
    assert (out / "uid").read_text(encoding="utf-8").strip() == str(nobody)
    assert (out / "groups").read_text(encoding="utf-8").split() == [str(nobody)]


def test_a_user_who_is_not_root_is_told_whose_desktop_it_is(
    logind: FakeLogind, settings: Settings, session_bus: BusDaemon
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may speak to every desktop")
    logind.add(Seated("2", user="bob", uid=os.geteuid() + 1, obeys=False))
    chosen = settings(session_bus=session_bus.address, ways=["screensaver"], attempts=1)
    with pytest.raises(
        ActionFailed, match=r"only bob or root can speak to the desktop of bob \(run the actuator as bob\)"
    ):
        lock(chosen, Target("user", "bob"), JobControl())
