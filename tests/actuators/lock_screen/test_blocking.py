from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from edged.actuators.lock_screen.blocking import Block, Blocks, Watch
from edged.actuators.lock_screen.choosing import Target
from edged.actuators.lock_screen.settings import LockScreenSettings
from tests.actuators.lock_screen.buses import BusDaemon, wait_until
from tests.actuators.lock_screen.conftest import Make
from tests.actuators.lock_screen.standins import FakeLogind, FakeScreensaver, Seated

Settings = Callable[..., LockScreenSettings]
ANNA = Target("user", "anna")


def lasting(seconds: float, target: Target = ANNA) -> Block:
    now = time.time()
    return Block(target, now, now + seconds)


def _has_locked(watch: Watch, times: int) -> bool:
    return watch.again == times


@pytest.fixture
def blocks(settings: Settings) -> Iterator[Blocks]:
    made = Blocks(settings())
    yield made
    made.close()


def test_whoever_unlocks_is_locked_out_again_at_once(logind: FakeLogind, settings: Settings) -> None:
    logind.hint("1", locked=True)
    watch = Watch(settings(), lasting(60))
    for count in (1, 2, 3):
        logind.unlock_by_password("1")
        wait_until(partial(_has_locked, watch, count))
        assert logind.sessions["1"].locked_hint
    watch.close()
    assert logind.asked("LockSession") == 3


def test_a_job_is_told_how_its_block_went(logind: FakeLogind, blocks: Blocks) -> None:
    logind.hint("1", locked=True)
    assert blocks.keep("job-1", lasting(60))
    assert blocks.release() == ["job-1"]
    assert not blocks.keep("job-1", lasting(60))
    assert blocks.forget("job-1") == "released; it was never needed"
    assert not blocks.keep("job-2", lasting(0))
    assert blocks.forget("job-2") == "its time was over"


def test_after_release_an_unlocked_screen_stays_open(logind: FakeLogind, blocks: Blocks) -> None:
    logind.hint("1", locked=True)
    before = set(threading.enumerate())
    blocks.keep("job-1", lasting(60))
    blocks.release()
    wait_until(lambda: not [each for each in set(threading.enumerate()) - before if each.name == "block"])
    logind.unlock_by_password("1")
    time.sleep(1.5)  # longer than anybody would take who still looks
    assert not logind.sessions["1"].locked_hint
    assert not logind.asked("LockSession")


def test_a_block_ends_by_itself(logind: FakeLogind, settings: Settings) -> None:
    logind.hint("1", locked=True)
    watch = Watch(settings(), lasting(0.5))
    wait_until(lambda: watch.over)
    watch.close()
    logind.unlock_by_password("1")
    time.sleep(1.5)
    assert not logind.asked("LockSession")


def test_a_clock_that_is_set_far_back_lets_everybody_in() -> None:
    block = Block(ANNA, since=1_000_000.0, until=1_003_600.0)
    assert block.left_seconds(1_000_000.0) == 3600
    assert block.left_seconds(999_990.0) == 3610  # the sender's clock may be ahead of ours
    assert block.left_seconds(1_003_600.0) == 0
    assert block.left_seconds(900_000.0) == 0


def test_a_clock_that_is_set_back_makes_no_block_longer(logind: FakeLogind, settings: Settings) -> None:
    at = [1_000_000.0]
    watch = Watch(settings(), Block(ANNA, at[0], at[0] + 1.0), clock=lambda: at[0])
    at[0] -= 1800.0
    wait_until(lambda: watch.over)
    watch.close()


def test_a_new_session_of_the_same_user_is_locked_as_well(logind: FakeLogind, blocks: Blocks) -> None:
    logind.hint("1", locked=True)
    blocks.keep("job-1", lasting(60))
    wait_until(lambda: logind.asked("ListSessions"))
    logind.add(Seated("2"))
    logind.add(Seated("3", user="bob"))
    wait_until(lambda: logind.sessions["2"].locked_hint)
    assert not logind.sessions["3"].locked_hint


def test_a_screen_that_does_not_lock_is_told_and_tried_on(logind: FakeLogind, settings: Settings) -> None:
    logind.sessions["1"].obeys = False
    watch = Watch(settings(ways=["logind"], verify_seconds=0.3), lasting(60))
    wait_until(lambda: "did not lock" in watch.problem)
    logind.sessions["1"].obeys = True
    wait_until(lambda: logind.sessions["1"].locked_hint and not watch.problem)
    watch.close()


def test_a_bus_that_is_gone_is_told_and_waited_for(system_bus: BusDaemon, settings: Settings, make: Make) -> None:
    make(FakeLogind, system_bus, Seated("1"))
    watch = Watch(settings(), lasting(60))
    wait_until(lambda: watch.again)
    system_bus.kill()
    wait_until(lambda: watch.problem.startswith("the block does not hold: "))
    system_bus.start()
    back = make(FakeLogind, system_bus, Seated("1"))
    wait_until(lambda: back.sessions["1"].locked_hint and not watch.problem)
    watch.close()


def test_a_desktop_that_sets_no_hint_is_looked_at(
    logind: FakeLogind, settings: Settings, session_bus: BusDaemon, make: Make
) -> None:
    logind.sessions["1"].obeys = False
    saver = make(FakeScreensaver, session_bus, "org.mate.ScreenSaver")
    saver.active = True
    watch = Watch(settings(session_bus=session_bus.address, verify_seconds=0.3), lasting(60))
    wait_until(lambda: saver.asked("GetActive"))
    saver.active = False
    wait_until(lambda: saver.active)
    assert saver.asked("Lock") == 1
    watch.close()


def test_the_emergency_stop_stops_all_and_leaves_nothing_open(
    logind: FakeLogind, settings: Settings, session_bus: BusDaemon
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    blocks = Blocks(settings())
    for number in range(5):
        blocks.keep(f"job-{number}", lasting(60))
    blocks.halt()
    for number in range(5):
        blocks.forget(f"job-{number}")
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before)
    assert not blocks.release()
