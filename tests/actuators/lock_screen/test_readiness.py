from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.actuators.lock_screen import readiness
from edged.actuators.lock_screen.choosing import Target
from edged.actuators.lock_screen.readiness import Readiness, examine
from edged.actuators.lock_screen.settings import LockScreenSettings
from tests.actuators.lock_screen.buses import BusDaemon, wait_until
from tests.actuators.lock_screen.standins import FakeLogind

Settings = Callable[..., LockScreenSettings]
ANNA = Target("user", "anna")
ANNAS_NUMBER, SYSTEM_USER = 12345, 998
LOCK, MANAGE = "org.freedesktop.login1.lock-sessions", "org.freedesktop.login1.manage"


def test_where_all_is_there_nothing_is_wrong(logind: FakeLogind, settings: Settings) -> None:
    assert examine(settings(), ANNA, 0, signs_out=True) == []
    logind.sessions["1"].uid = ANNAS_NUMBER
    logind.lingers = True
    assert examine(settings(), ANNA, ANNAS_NUMBER, signs_out=True) == []


def test_without_a_bus_the_address_is_named(settings: Settings, tmp_path: Path) -> None:
    address = f"unix:path={tmp_path}/nothing"
    assert examine(settings(system_bus=address), ANNA, 0, signs_out=False) == [f"there is no system bus at {address}"]


def test_without_logind_what_brings_it_is_named(system_bus: BusDaemon, settings: Settings) -> None:
    [problem] = examine(settings(), ANNA, 0, signs_out=False)
    assert problem.startswith("logind is not there (")


def test_a_user_who_is_not_there_is_told(logind: FakeLogind, settings: Settings) -> None:
    [problem] = examine(settings(), Target("user", "eve"), 0, signs_out=False)
    assert problem == "eve is not logged in; there are: session 1 of anna (wayland)"


def test_a_right_that_is_missing_is_told_before_it_is_needed(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions["1"].uid = ANNAS_NUMBER
    both = examine(settings(), ANNA, SYSTEM_USER, signs_out=True)
    assert [each.split(" of other")[0] for each in both] == [
        "it has no right to lock sessions", "it has no right to sign out"
    ]  # fmt: skip
    logind.rights = {LOCK}
    assert len(examine(settings(), ANNA, SYSTEM_USER, signs_out=True)) == 1
    assert examine(settings(), ANNA, SYSTEM_USER, signs_out=False) == []
    logind.rights = {LOCK, MANAGE}
    assert examine(settings(), ANNA, SYSTEM_USER, signs_out=True) == []


def test_whoever_signs_themselves_out_is_warned(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions["1"].uid = ANNAS_NUMBER
    [problem] = examine(settings(), ANNA, ANNAS_NUMBER, signs_out=True)
    assert "enable-linger" in problem


def test_a_bus_that_hangs_does_not_hold_who_asks(
    logind: FakeLogind, system_bus: BusDaemon, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_FRESH_SECONDS", 0.0)
    system_bus.freeze()
    ready = Readiness(settings(), ANNA, signs_out=False)
    began = time.monotonic()
    assert ready.problems() == []  # nothing is known yet
    assert time.monotonic() - began < 4.0  # less than the bus is given
    wait_until(lambda: ready.problems() == ["system bus does not answer"])
    system_bus.thaw()
    wait_until(lambda: ready.problems() == [])
