"""The seat is guarded by a real daemon at a real broker: verdicts, blocks, signed commands, people."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from edged.bus.asking import signed_command
from edged.daemon.guarding import around
from edged.daemon.health import Verdict
from edged.keys import make_key, read_key
from edged.settings import Settings
from edged.signing import signature
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector
from tests.daemon.conftest import Theatre

QUICK = {"after_seconds": 0.2}
RULES: dict[str, Any] = {
    "nobody": QUICK, "spoof": {"after_seconds": 0.1, "actions": ["sign_out", "block"]}, "wrong_user": QUICK,
    "phone": QUICK, "several_faces": QUICK, "right_user": QUICK, "camera_gone": QUICK, "model_missing": QUICK,
    "broker_gone": {"after_seconds": 0.3, "actions": ["alert"]},
}  # fmt: skip


class Guarded:
    """A theatre whose seat is guarded; `key` signs."""

    def __init__(self, theatre: Theatre) -> None:
        self.theatre = theatre
        self.state_directory = theatre.folder / "state"
        path = theatre.folder / "command.key"
        make_key(path)
        self.key = read_key(path)
        self.key_path = path

    def configure(self, **rules: Any) -> None:
        self.theatre.configure(
            judgement={
                "presence": {"arrive_seconds": 0.1, "leave_seconds": 0.2},
                "security": {"enabled": True, "grace_seconds": 0, **RULES, **rules},
            },
            inference={
                "recognition": {"enabled": True}, "liveness": {"enabled": True}, "objects": {"enabled": True},
            },
            store={"directory": str(self.state_directory)},
            signing={"key_file": str(self.key_path)},
            log={"level": "debug"},
        )  # fmt: skip

    def start(self) -> None:
        self.theatre.start()
        self.theatre.wait_for("ok")

    def kill(self) -> None:
        assert self.theatre.daemon is not None
        self.theatre.daemon.send_signal(signal.SIGKILL)
        self.theatre.daemon.wait()

    def sits(self, who: str = "", faces: int = 1) -> None:
        self.theatre.pull("sitter", who)
        self.theatre.pull("faces", str(faces))

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.theatre.last("state/security") or {}
        return found

    def becomes(self, verdict: str) -> dict[str, Any]:
        self.theatre.until(lambda: self.state().get("verdict") == verdict)
        return self.state()

    def verdicts(self) -> list[str]:
        return [event["verdict"] for event in self.theatre.all("event/security")]

    def signed(self, command: str, **options: Any) -> dict[str, Any]:
        return signed_command("front", command, self.key, now=time.time(), options=options)

    def answer(self, name: str, payload: dict[str, Any] | bytes, *, retain: bool = False) -> dict[str, Any]:
        """Ask, and return the next answer."""
        before = len(self.theatre.all(f"response/{name}"))
        self.theatre.publish(f"command/{name}", payload, retain=retain)
        self.theatre.until(lambda: len(self.theatre.all(f"response/{name}")) > before)
        found: dict[str, Any] = self.theatre.last(f"response/{name}")
        return found


@pytest.fixture
def guarded(stage: Theatre) -> Guarded:
    found = Guarded(stage)
    found.configure()
    return found


def test_the_seat_in_sequence(guarded: Guarded) -> None:
    guarded.configure(spoof={"after_seconds": 0.1})
    guarded.start()
    guarded.becomes("nobody")
    guarded.sits("anna")
    state = guarded.becomes("right_user")
    assert (state["safe"], state["person"], state["actions"]) == (True, "anna", [])
    guarded.sits(faces=0)
    assert guarded.becomes("nobody")["do"]["lock"] is True
    guarded.sits("stranger")
    guarded.becomes("wrong_user")
    guarded.sits("photo")
    assert guarded.becomes("spoof")["actions"] == ["sign_out", "alert"]
    guarded.sits("anna")
    guarded.becomes("right_user")
    guarded.theatre.pull("phone", "yes")
    guarded.becomes("phone")
    theatre = guarded.theatre
    theatre.until(lambda: guarded.verdicts()[-1:] == ["phone"])
    wanted = ["nobody", "right_user", "nobody", "wrong_user", "spoof", "right_user", "phone"]
    assert [each for each in guarded.verdicts() if each in wanted] == wanted
    assert [event["previous"] for event in theatre.all("event/security")][1:] == guarded.verdicts()[:-1]
    assert theatre.last("state/identity")["person"] == "anna"
    assert theatre.last("state/objects")["phone"] is True
    assert {"known", "unknown"} <= {event["verdict"] for event in theatre.all("event/identity")}
    # Who it was is for those who may read events, and not for those who may read logs.
    assert "state identity" in theatre.log()
    assert "anna" not in theatre.log()


def test_a_block_outlives_a_killed_daemon_and_only_a_signed_release_ends_it(guarded: Guarded) -> None:
    guarded.start()
    guarded.sits("photo")
    assert guarded.becomes("blocked")["blocked_by"] == "spoof"
    guarded.kill()
    guarded.sits("anna")
    guarded.theatre.heard.clear()
    guarded.start()
    state = guarded.becomes("blocked")
    assert (state["blocked_by"], state["safe"]) == ("spoof", False)

    unsigned = {name: value for name, value in guarded.signed("release").items() if name != "signature"}
    assert "not signed" in guarded.answer("release", unsigned)["error"]
    assert "no JSON object" in guarded.answer("release", b"")["error"]
    assert guarded.answer("release", guarded.signed("release"))["status"] == "ok"
    assert guarded.becomes("right_user")["blocked"] is False
    assert guarded.answer("release", guarded.signed("release"))["error"] == "the seat is not blocked"
    # It is gone for good.
    guarded.kill()
    guarded.theatre.heard.clear()
    guarded.start()
    assert guarded.becomes("right_user")["blocked"] is False


def test_what_is_not_good_is_refused_with_its_reason_and_ends_no_block(guarded: Guarded) -> None:
    guarded.start()
    guarded.sits("photo")
    guarded.becomes("blocked")

    def resigned(**changes: Any) -> dict[str, Any]:
        made = {**guarded.signed("release"), **changes}
        return {**made, "signature": signature(made, guarded.key)}

    now = time.time()
    other_key = signed_command("front", "release", bytes(32), now=now)
    for payload, said in (
        ({**guarded.signed("release"), "issued_at": now - 1}, "the signature does not fit"),
        (other_key, "the signature does not fit"),
        (resigned(camera="back"), "for another camera than front"),
        (resigned(command="unlocked"), "signed as 'unlocked', and came as 'release'"),
        (resigned(issued_at=now - 60, expires_at=now - 30), "expired"),
        (resigned(issued_at=now + 60, expires_at=now + 90), "ahead of the clock"),
        (resigned(expires_at=now + 3600), "longest_life_seconds"),
        (resigned(nonce=""), "the nonce has 1 to 128 characters"),
        (resigned(options={"really": True}), "takes no options"),
        (resigned(surprise=1), "not of the right shape"),
    ):
        answer = guarded.answer("release", payload)
        assert answer["status"] == "error"
        assert said in answer["error"], (said, answer)
    retained = guarded.answer("release", guarded.signed("release"), retain=True)
    assert "retained commands are refused" in retained["error"]
    guarded.theatre.publish("command/release", b"", retain=True)
    assert guarded.state()["blocked"] is True


def test_a_command_that_was_carried_out_is_not_again_not_even_after_a_restart(guarded: Guarded) -> None:
    guarded.start()
    guarded.sits("photo")
    guarded.becomes("blocked")
    command = guarded.signed("release")
    guarded.sits(faces=0)
    assert guarded.answer("release", command)["status"] == "ok"
    again = {**command, "transaction": "another"}
    again = {**again, "signature": signature(again, guarded.key)}
    assert "carried out before" in guarded.answer("release", again)["error"]
    guarded.kill()
    guarded.theatre.heard.clear()
    guarded.start()
    assert "carried out before" in guarded.answer("release", command)["error"]


def test_where_the_memory_is_damaged_the_seat_is_blocked(guarded: Guarded) -> None:
    guarded.state_directory.mkdir(mode=0o700)
    (guarded.state_directory / "front.kept.json").write_text("{ damaged", encoding="utf-8")
    guarded.sits("anna")
    guarded.theatre.start()
    assert guarded.becomes("blocked")["blocked_by"] == "a damaged memory"
    before_the_start = signed_command("front", "release", guarded.key, now=time.time() - 20)
    assert "before edged started" in guarded.answer("release", before_the_start)["error"]
    guarded.theatre.until(lambda: guarded.answer("release", guarded.signed("release"))["status"] == "ok")
    guarded.becomes("right_user")


def test_where_there_is_no_memory_the_seat_is_blocked(guarded: Guarded) -> None:
    guarded.state_directory.write_text("a file where the folder was", encoding="utf-8")
    guarded.sits("anna")
    guarded.theatre.start()
    assert guarded.becomes("blocked")["blocked_by"] == "a memory that is not there"


def test_where_nobody_can_be_blocked_a_damaged_memory_blocks_nobody(guarded: Guarded) -> None:
    guarded.configure(spoof={"after_seconds": 0.1})
    guarded.state_directory.mkdir(mode=0o700)
    (guarded.state_directory / "front.kept.json").write_text("{ damaged", encoding="utf-8")
    guarded.sits("anna")
    guarded.theatre.start()
    guarded.becomes("right_user")


def test_health_says_that_a_block_could_not_be_released(guarded: Guarded) -> None:
    guarded.key_path.chmod(0o644)
    guarded.theatre.start()
    health = guarded.theatre.wait_for("degraded")
    assert any("no signed command is taken" in reason and "chmod" in reason for reason in health["reasons"])
    assert "no key here" in guarded.answer("release", guarded.signed("release"))["error"]


class TestFailSafe:
    """Camera, model and broker go."""

    def test_the_camera_goes_and_comes_back(self, guarded: Guarded) -> None:
        guarded.sits("anna")
        guarded.start()
        guarded.becomes("right_user")
        guarded.theatre.pull("camera", "unplugged")
        state = guarded.becomes("camera_gone")
        assert (state["safe"], state["actions"]) == (False, ["lock"])
        assert "unplugged" in state["reasons"][0]
        guarded.theatre.pull("camera", "streaming")
        guarded.becomes("right_user")

    def test_what_the_policy_sees_by_cannot_be_switched_off_from_afar(self, guarded: Guarded) -> None:
        guarded.sits("photo")
        guarded.start()
        guarded.becomes("blocked")
        guarded.theatre.publish("config/change", {"inference": {"liveness": {"enabled": False}}})
        guarded.theatre.until(lambda: guarded.theatre.last("config/result") is not None)
        result = guarded.theatre.last("config/result")
        assert (result["status"], [each["path"] for each in result["errors"]]) == (
            "rejected", ["inference.liveness.enabled"],
        )  # fmt: skip

    def test_the_camera_never_comes(self, guarded: Guarded) -> None:
        guarded.theatre.pull("camera", "unplugged")
        guarded.theatre.start()
        assert guarded.becomes("camera_gone")["actions"] == ["lock"]

    def test_while_the_camera_is_opened_it_is_gone_and_nobody_says_that_nobody_is_there(self) -> None:
        settings = Settings.model_validate({"judgement": {"security": {"enabled": True, "require": "anybody"}}})
        now = time.localtime()
        for status in ("starting", "no_camera", "stalled", "paused"):
            seen = around(settings, Verdict(status, ("the camera is being opened",)), None, broker=True, local=now)
            assert seen.camera == "the camera is being opened", status
        assert around(settings, Verdict("degraded", ("hot",)), None, broker=True, local=now).camera == ""

    def test_whoever_pauses_the_camera_does_not_pause_the_policy(self, guarded: Guarded) -> None:
        guarded.sits("anna")
        guarded.start()
        guarded.becomes("right_user")
        guarded.theatre.ask("pause")
        state = guarded.becomes("camera_gone")
        assert "paused by command" in state["reasons"][0]
        guarded.theatre.ask("resume")
        guarded.becomes("right_user")

    def test_inference_dies_and_cannot_be_begun_again(self, guarded: Guarded) -> None:
        guarded.sits("anna")
        guarded.start()
        guarded.becomes("right_user")
        guarded.theatre.pull("inference", "hopeless")
        os.kill(guarded.theatre.children()["inference"], signal.SIGKILL)
        guarded.becomes("camera_gone")

    def test_a_model_is_missing(self, guarded: Guarded) -> None:
        guarded.theatre.pull("inference", "forgetful")
        guarded.sits()
        guarded.theatre.start()
        state = guarded.becomes("model_missing")
        assert state["actions"] == ["lock", "alert"]
        assert state["reasons"][0] == "not running: recognition, liveness, objects"

    def test_the_broker_goes_and_what_happened_meanwhile_is_told_when_it_is_back(self, guarded: Guarded) -> None:
        guarded.configure(spoof={"after_seconds": 0.1})
        guarded.sits("anna")
        guarded.start()
        guarded.becomes("right_user")
        before = len(guarded.verdicts())
        guarded.theatre.broker.kill()
        guarded.theatre.until(lambda: "the seat: broker_gone" in guarded.theatre.log())
        guarded.sits("photo")
        guarded.theatre.until(lambda: "the seat: spoof" in guarded.theatre.log())
        # A broker without a memory tells only who listens: the daemon must not be back before the listener.
        daemon = guarded.theatre.daemon
        assert daemon is not None
        daemon.send_signal(signal.SIGSTOP)
        guarded.theatre.broker.start()
        guarded.theatre.until(guarded.theatre.listening)
        daemon.send_signal(signal.SIGCONT)
        guarded.theatre.until(lambda: "spoof" in guarded.verdicts()[before:])
        assert "broker_gone" in guarded.verdicts()[before:]


def test_a_policy_that_is_off_says_nothing(stage: Theatre) -> None:
    stage.pull("faces", "1")
    stage.pull("sitter", "photo")
    stage.start()
    stage.wait_for("ok")
    stage.until(lambda: (stage.last("state/liveness") or {}).get("verdict") == "spoof")
    assert stage.last("state/security") is None
    assert stage.all("event/security") == []


class TestPeople:
    """Who is known, over MQTT."""

    def enrol(self, guarded: Guarded) -> None:
        with Gallery(guarded.state_directory) as gallery:
            vector = NewVector("toy", "1", bytes(512), 0.9, "image")
            gallery.enrol("Anna", [vector, vector])
            gallery.add_stranger([vector], time.time())

    def test_people_are_listed_named_and_forgotten(self, guarded: Guarded) -> None:
        self.enrol(guarded)
        guarded.start()
        answer = guarded.answer("people", guarded.signed("people"))
        assert [(one["name"], one["vectors"]) for one in answer["data"]["people"]] == [("Anna", 2), ("unknown-1", 1)]
        answer = guarded.answer("name", guarded.signed("name", stranger="unknown-1", name="Béla"))
        assert answer["data"] == {"name": "Béla", "from": "unknown-1"}
        answer = guarded.answer("forget", guarded.signed("forget", name="Anna"))
        assert (answer["data"]["vectors"], answer["data"]["emptied"]) == (2, True)
        answer = guarded.answer("people", guarded.signed("people"))
        assert [one["name"] for one in answer["data"]["people"]] == ["Béla"]
        assert "Zoë" in guarded.answer("forget", guarded.signed("forget", name="Zoë"))["error"]

    def test_somebody_is_enrolled_before_the_camera(self, guarded: Guarded) -> None:
        guarded.sits("stranger")
        guarded.start()
        answer = guarded.answer("enroll", guarded.signed("enroll", name="Anna", seconds=1))
        assert (answer["status"], answer["data"]["name"], answer["data"]["vectors"]) == ("ok", "Anna", 5)
        assert guarded.answer("enroll", guarded.signed("enroll", name="Nemo"))["error"] == "nobody was seen"

    def test_nobody_is_enrolled_while_it_is_paused_and_that_is_said_at_once(self, guarded: Guarded) -> None:
        guarded.sits("stranger")
        guarded.start()
        assert guarded.answer("pause", {})["status"] == "ok"
        answer = guarded.answer("enroll", guarded.signed("enroll", name="Anna", seconds=30))
        assert answer["error"] == "paused, so nobody can be seen; publish command/resume first"

    @pytest.mark.parametrize(
        ("command", "options", "said"),
        [
            ("enroll", {}, "missing required field `name`"),
            ("enroll", {"name": "unknown-3"}, "is what somebody without a name is called"),
            ("enroll", {"name": "Anna", "seconds": 3600}, "from 1 to 60"),
            ("enroll", {"name": "Anna", "second": 5}, "second"),
            ("forget", {"name": 7}, "Expected `str`"),
            ("name", {"stranger": "Anna", "name": "Béla"}, "Anna"),
            ("people", {"name": "Anna"}, "name"),
        ],
    )
    def test_what_is_wrong_is_said(self, guarded: Guarded, command: str, options: dict[str, Any], said: str) -> None:
        self.enrol(guarded)
        guarded.start()
        answer = guarded.answer(command, guarded.signed(command, **options))
        assert answer["status"] == "error"
        assert said in answer["error"]

    def test_nobody_is_forgotten_without_a_signature(self, guarded: Guarded) -> None:
        self.enrol(guarded)
        guarded.start()
        command = guarded.signed("forget", name="Anna")
        answer = guarded.answer("forget", {**command, "options": {"name": "unknown-1"}})
        assert "the signature does not fit" in answer["error"]
        with Gallery(guarded.state_directory) as gallery:
            assert gallery.find("unknown-1") is not None


def test_a_challenge_is_asked_and_a_picture_fails_it(guarded: Guarded) -> None:
    guarded.start()
    assert guarded.answer("challenge", {})["error"] == "there is no face in view to be asked"
    guarded.sits("anna")
    guarded.becomes("right_user")
    answer = guarded.answer("challenge", {"transaction": "1"})
    assert answer["data"]["step"] in ("blink", "turn_left", "turn_right")
    assert answer["data"]["steps"] == 3
    guarded.theatre.until(lambda: guarded.theatre.last("state/liveness")["challenge"] == answer["data"]["step"])
    guarded.sits(faces=0)
    event = guarded.theatre.until(
        lambda: next((one for one in guarded.theatre.all("event/challenge") if one["status"] == "failed"), None)
    )
    assert event["reason"] == "the face was lost"


def test_an_unlock_begins_the_grace(guarded: Guarded) -> None:
    guarded.configure()
    settings = json.loads(guarded.theatre.settings_file.read_text(encoding="utf-8"))
    settings["judgement"]["security"]["grace_seconds"] = 600
    guarded.theatre.settings_file.write_text(json.dumps(settings), encoding="utf-8")
    guarded.start()
    guarded.sits("photo")  # counts within the grace
    guarded.becomes("blocked")
    guarded.sits("stranger")
    assert guarded.answer("release", guarded.signed("release"))["status"] == "ok"
    guarded.theatre.until(lambda: guarded.state()["verdict"] == "starting" and guarded.state()["grace"])
    assert guarded.answer("unlocked", guarded.signed("unlocked"))["status"] == "ok"


def test_the_trail_has_releases_unlocks_and_verdicts(guarded: Guarded) -> None:
    guarded.start()
    guarded.sits("photo")
    guarded.becomes("blocked")
    assert guarded.answer("release", guarded.signed("release"))["status"] == "ok"
    assert guarded.answer("unlocked", guarded.signed("unlocked"))["status"] == "ok"
    guarded.theatre.close()
    trail = "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in Path(guarded.state_directory).rglob("*audit*")
        if path.is_file()
    )
    assert '"spoof"' in trail
    assert '"released"' in trail
    assert '"kind":"unlocked"' in trail


def test_the_seat_is_told_anew_also_while_nothing_is_seen(guarded: Guarded) -> None:
    """What nobody confirms disappears from the broker, and this must not, above all not now."""
    settings = json.loads(guarded.theatre.settings_file.read_text(encoding="utf-8"))
    settings["mqtt"]["state_expiry_seconds"] = 10
    guarded.theatre.settings_file.write_text(json.dumps(settings), encoding="utf-8")
    guarded.theatre.pull("camera", "unplugged")
    guarded.theatre.start()
    guarded.becomes("camera_gone")
    told = len(guarded.theatre.all("state/security"))
    guarded.theatre.until(lambda: len(guarded.theatre.all("state/security")) > told)
