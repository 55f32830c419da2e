"""The whole actuator, in a process of its own, over a real broker."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.bus.private_broker import PrivateBroker
from tests.actuators.lock_screen.buses import BusDaemon, wait_until
from tests.actuators.lock_screen.conftest import Make
from tests.actuators.lock_screen.standins import FakeLogind, Seated
from tests.actuators.stage import Stage
from tests.brokers import broker_here


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    found = broker_here(persistent=True)
    with found:
        yield found


@pytest.fixture
def stage(broker: PrivateBroker, system_bus: BusDaemon) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="edged-lock-") as folder:
        made = Stage(Path(folder), broker, "desk")
        for name in [each for each in made.settings if each.startswith("toy.")]:
            del made.settings[name]
        made.settings |= {
            "kind": "lock_screen",
            "lock_screen.user": "anna",
            "lock_screen.system_bus": system_bus.address,
            "lock_screen.verify_seconds": 1,
            "lock_screen.ways": ["logind"],
            "lock_screen.lockers": [],
            "policy.sign_out.enabled": True,
            "policy.sign_out.countdown_seconds": 0,
            "policy.block.enabled": True,
        }
        made.listener.start()
        made.listener.wait_ready(10)
        try:
            yield made
        finally:
            made.close()


def ended(stage: Stage, action: str, **options: Any) -> dict[str, Any]:
    return stage.ends(stage.ask(action, **options))


def test_lock_and_sign_out(stage: Stage, logind: FakeLogind) -> None:
    stage.start()
    stage.until(lambda: stage.health()["status"] == "ok")
    assert stage.health()["actions"] == ["lock", "sign_out", "block", "release"]
    done = ended(stage, "lock")
    assert done["state"] == "succeeded"
    assert done["reason"] == "locked session 1 of anna (wayland) (LockedHint)"
    assert ended(stage, "lock", user="eve")["reason"].startswith("eve is not logged in")
    assert ended(stage, "lock", user="anna", all=True)["state"] == "rejected"
    assert ended(stage, "lock", sessions="1")["state"] == "rejected"
    assert ended(stage, "sign_out", all=True)["state"] == "rejected"
    assert ended(stage, "sign_out")["reason"] == "signed out session 1 of anna (wayland)"
    stage.until(lambda: stage.health()["reasons"] == ["anna is not logged in; there are: nobody is logged in"])


def test_what_the_owner_did_not_turn_on_is_refused(stage: Stage, logind: FakeLogind) -> None:
    stage.start(policy__sign_out__enabled=False, policy__block__enabled=False)
    for action in ("sign_out", "block"):
        refused = ended(stage, action)
        assert refused["state"] == "rejected"
        assert f"policy.{action}.enabled = true turns it on" in refused["reason"]
    assert ended(stage, "release")["reason"] == "nothing is blocked: there was nothing to release"
    assert ended(stage, "unlock")["state"] == "rejected"
    assert not logind.asked("TerminateSession")


def test_a_block_holds_until_it_is_released_and_others_have_their_turns(stage: Stage, logind: FakeLogind) -> None:
    stage.start()
    logind.add(Seated("2", user="bob"))
    block = stage.ask("block")
    told = stage.until(lambda: [each for each in stage.told(block) if "again at once" in each["reason"]])[0]
    assert told["state"] == "running"
    logind.unlock_by_password("1")
    wait_until(lambda: "open during the block, and locked again" in stage.log())
    assert logind.sessions["1"].locked_hint
    assert ended(stage, "lock", user="bob")["state"] == "succeeded"
    assert ended(stage, "release")["state"] == "succeeded"
    over = stage.ends(block)
    assert over["state"] == "succeeded"
    assert over["reason"] == "the block of the sessions of anna is over: released; it locked again once"
    logind.unlock_by_password("1")
    time.sleep(1.5)  # longer than anybody would take who still looks
    assert not logind.sessions["1"].locked_hint


def test_a_block_goes_on_after_the_actuator_was_killed_and_after_it_was_restarted(
    stage: Stage, logind: FakeLogind
) -> None:
    stage.start()
    block = stage.ask("block")
    stage.until(lambda: [each for each in stage.told(block) if "again at once" in each["reason"]])
    for stop in (stage.kill, stage.end):
        stop()
        logind.unlock_by_password("1")
        stage.start()
        wait_until(lambda: logind.sessions["1"].locked_hint)
    assert ended(stage, "release")["state"] == "succeeded"
    assert stage.ends(block)["state"] == "succeeded"


def test_a_block_ends_when_its_time_has_come_even_while_nobody_kept_it(stage: Stage, logind: FakeLogind) -> None:
    stage.start()
    block = stage.ask("block", seconds=3)
    stage.until(lambda: [each for each in stage.told(block) if "again at once" in each["reason"]])
    stage.kill()
    time.sleep(3)
    logind.unlock_by_password("1")
    stage.start()
    assert stage.ends(block)["reason"] == "the block of the sessions of anna is over: its time was over"
    assert not logind.sessions["1"].locked_hint


def test_the_owner_sets_the_longest_time(stage: Stage, logind: FakeLogind) -> None:
    stage.start(lock_screen__block_seconds=1.0)
    block = stage.ask("block", seconds=80000)
    assert stage.ends(block)["state"] == "succeeded"


def test_a_block_that_cannot_lock_is_none(stage: Stage, logind: FakeLogind) -> None:
    logind.sessions["1"].obeys = False
    stage.start(lock_screen__attempts=1)
    assert "did not lock" in ended(stage, "block")["reason"]
    assert ended(stage, "release")["state"] == "failed"


@pytest.mark.parametrize("how", ["cancel", "stop"])
def test_cancelling_and_the_emergency_stop_end_a_block_for_good(stage: Stage, logind: FakeLogind, how: str) -> None:
    stage.start()
    block = stage.ask("block")
    stage.until(lambda: [each for each in stage.told(block) if "again at once" in each["reason"]])
    if how == "cancel":
        assert ended(stage, "cancel", job=block)["state"] == "succeeded"
    else:
        stage.send(json.dumps({"action": "stop"}).encode())
    assert stage.ends(block)["state"] == "cancelled"
    stage.end()
    logind.unlock_by_password("1")
    stage.start()
    stage.until(lambda: stage.health()["status"] == ("ok" if how == "cancel" else "stopped"))
    time.sleep(1.5)  # longer than anybody would take who still looks
    assert not logind.sessions["1"].locked_hint


def test_a_block_that_the_owner_has_turned_off_is_not_kept_up(stage: Stage, logind: FakeLogind) -> None:
    stage.start()
    block = stage.ask("block")
    stage.until(lambda: [each for each in stage.told(block) if "again at once" in each["reason"]])
    stage.end()
    logind.unlock_by_password("1")
    stage.start(policy__block__enabled=False)
    assert "turned off" in stage.ends(block)["reason"]
    assert not logind.sessions["1"].locked_hint


def test_health_tells_when_logind_is_gone(stage: Stage, system_bus: BusDaemon, make: Make) -> None:
    make(FakeLogind, system_bus, Seated("1"))
    stage.start()
    stage.until(lambda: stage.health()["status"] == "ok")
    system_bus.kill()
    stage.until(lambda: stage.health()["reasons"] == [f"there is no system bus at {system_bus.address}"])


def test_nothing_unlocks(stage: Stage, logind: FakeLogind) -> None:
    stage.start()
    logind.hint("1", locked=True)
    block = stage.ask("block")
    for action in ("lock", "release", "sign_out"):
        assert ended(stage, action)["state"] == "succeeded"
    assert stage.ends(block)["state"] == "succeeded"
    asked = {name.rsplit(".", 1)[-1] for name, _ in logind.calls}
    assert asked <= {"ListSessions", "GetAll", "Get", "LockSession", "TerminateSession", "GetUser"}


def test_no_line_of_it_can_unlock() -> None:
    """The word of logind for it is UnlockSession, that of screensavers SetActive(false), that of loginctl unlock-session."""
    folder = Path(__file__).parents[3] / "edged" / "actuators" / "lock_screen"
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("UnlockSession", '"Unlock', "SetActive", "unlock-session", "SetLockedHint", "loginctl unlock"):
            assert word not in text, f"{path}: {word}"
