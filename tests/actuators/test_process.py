"""A real actuator over a real broker: what is asked is done once, or it is said why not."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from typing import Any

import pytest

from edged.actuators.asking import encoded, make_request
from edged.events import iso_utc
from edged.jobs import UNKNOWN_ID
from edged.keys import make_key, read_key
from tests.actuators.stage import ROOT, Stage


def test_a_request_is_done_and_each_state_told(stage: Stage) -> None:
    stage.start()
    job = stage.ask("mark")
    assert stage.ends(job)["reason"] == "marked"
    assert stage.states(job) == ["accepted", "running", "succeeded"]
    assert stage.done(job) == 1
    stage.until(lambda: stage.health()["jobs"] == {"succeeded": 1})
    health = stage.health()
    assert (health["status"], health["reasons"], health["kind"], health["current_job"]) == ("ok", [], "toy", None)
    assert "rare" not in health["actions"]


def test_the_same_request_twice_is_one_job_and_the_answer_comes_again(stage: Stage) -> None:
    stage.start()
    request = stage.request("mark")
    stage.send(request)
    stage.ends(request["id"])
    stage.send(request)
    stage.until(lambda: [each["state"] for each in stage.told(request["id"])].count("succeeded") == 2)
    assert stage.done(request["id"]) == 1
    stage.until(lambda: stage.health()["refused"] == {"replayed": 1})


def test_a_repetition_after_a_restart_is_still_the_same_job(stage: Stage) -> None:
    stage.start()
    request = stage.request("mark")
    stage.send(request)
    stage.ends(request["id"])
    stage.kill()
    stage.start()
    stage.send(request)
    stage.until(lambda: stage.health()["refused"].get("replayed"))
    assert stage.done(request["id"]) == 1


def altered(request: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**request, **changes}


def test_what_is_not_signed_as_it_must_be_is_refused_counted_and_not_done(stage: Stage) -> None:
    stage.start()
    good = stage.request("mark")
    stranger = stage.folder / "stranger.key"
    make_key(stranger)
    now = time.time()
    cases = {
        "unsigned": {name: value for name, value in stage.request("mark").items() if name != "signature"},
        "altered": altered(stage.request("mark"), options={"before_seconds": 0.5}),
        "altered id": altered(good, id="0123456789abcdef"),
        "wrong key": make_request("toy", "mark", now=now, life_seconds=60, key=read_key(stranger)),
        "another actuator": make_request("other", "mark", now=now, life_seconds=60, key=stage.key),
        "stale": stage.request("mark", age_seconds=100, life_seconds=60),
        "clock": stage.request("mark", age_seconds=-100, life_seconds=60),
        "signature no text": altered(stage.request("mark"), signature=7),
        "signature not ascii": altered(stage.request("mark"), signature="ü" * 64),
    }
    for request in cases.values():
        stage.send(request)
    answers = {name: stage.ends(request["id"]) for name, request in cases.items()}
    assert {name for name, told in answers.items() if told["state"] != "rejected"} == set()
    assert "not signed" in answers["unsigned"]["reason"]
    assert "signature does not fit" in answers["altered"]["reason"]
    assert "another actuator than toy" in answers["another actuator"]["reason"]
    assert "expired" in answers["stale"]["reason"]
    assert "the sender's clock is " in answers["clock"]["reason"]
    stage.until(
        lambda: (
            stage.health()["refused"]
            == {
                "unsigned": 1,
                "altered": 5,
                "malformed": 1,
                "stale": 1,
                "clock": 1,
            }
        )
    )
    assert any("clock" in reason for reason in stage.health()["reasons"])
    assert stage.trace() == []
    stage.send(good)
    assert stage.ends(good["id"])["state"] == "succeeded"


def test_a_retained_request_is_refused_now_and_after_each_reconnect(stage: Stage) -> None:
    stage.start()
    request = stage.request("mark")
    stage.send(request, retain=True)
    assert "retain" in stage.ends(request["id"])["reason"]
    stage.send(request, retain=True)
    stage.until(lambda: len(stage.told(request["id"])) == 2)  # it may not have been heard
    stage.kill()
    stage.start()
    stage.until(lambda: stage.health()["refused"].get("retained"))
    stage.send(b"", retain=True)
    assert stage.trace() == []


def test_what_was_told_as_rejected_is_not_done_when_its_time_has_come_or_its_flag_is_gone(stage: Stage) -> None:
    stage.start(signing__clock_tolerance_seconds=1)
    early, kept = stage.request("mark", age_seconds=-3), stage.request("mark")
    stage.send(early)
    stage.send(kept, retain=True)
    assert "ahead of the clock" in stage.ends(early["id"])["reason"]
    assert "retained" in stage.ends(kept["id"])["reason"]
    stage.until(lambda: time.time() > early["issued_at"])
    for request in (early, kept):
        stage.send(request)
    stage.until(lambda: stage.health()["refused"].get("replayed") == 2)
    assert stage.ends(stage.ask("mark"))["state"] == "succeeded"
    assert [stage.states(each["id"]) for each in (early, kept)] == [["rejected"], ["rejected"]]
    assert (stage.done(early["id"]), stage.done(kept["id"])) == (0, 0)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"x", b"[]", b"7", b"null", b"\xff\xfe", b"[" * 50_000, b'{"id":' * 5_000, b"{" + b" " * 300_000 + b"}",
        b'{"id":"12345678","action":{}}', b'{"id":7}', b'{"id":"\\u0000","action":"mark"}', b'{"action":"mark","x":1}',
        b'{"id":"../../etc","action":"mark"}', b'{"id":"a/b/c/d/e","action":"mark","signature":"x"}', b"{}",
        b'{"id":"1e400xxxx","action":"mark","issued_at":1e400}', b'{"options":{"a":NaN}}',
    ],
)  # fmt: skip
def test_rubbish_is_refused_in_one_sentence_and_work_goes_on(rubbish: Stage, payload: bytes) -> None:
    stage = rubbish
    before = sum(stage.health()["refused"].values())
    stage.send(payload)
    stage.until(lambda: sum(stage.health()["refused"].values()) == before + 1)
    job = stage.ask("mark")
    assert stage.ends(job)["state"] == "succeeded"
    assert "Traceback" not in stage.log()
    assert "passed over" not in stage.log()


@pytest.fixture
def rubbish(stage: Stage) -> Stage:
    stage.start()
    return stage


def test_a_request_without_an_id_is_told_under_unknown(stage: Stage) -> None:
    stage.start()
    stage.send(b"rubbish")
    told = stage.ends(UNKNOWN_ID)
    assert (told["state"], told["action"]) == ("rejected", "unknown")
    assert "no JSON object" in told["reason"]


def test_a_request_for_what_is_not_there_is_off_or_is_wrong_says_so(stage: Stage) -> None:
    stage.start()
    wanted = {
        stage.ask("fly"): "there is no action 'fly' here (there are mark, ",
        stage.ask("rare"): "policy.rare.enabled = true",
        stage.ask("say"): "say needs a text",
        stage.ask("mark", wrong=1): "there is no option 'wrong'",
        stage.ask("mark", before_seconds="long"): "before_seconds",
        stage.ask("mark", refuses="not today"): "not today",
        stage.ask("say", "x" * 10_001): "at most 10000",
        stage.ask("cancel"): "no job waits or runs",
        stage.ask("confirm", job="nothing-here"): "no job 'nothing-here' waits for a confirmation",
        stage.ask("reset"): "the emergency stop is not on",
    }
    for job, words in wanted.items():
        told = stage.ends(job)
        assert told["state"] == "rejected", told
        assert words in told["reason"]
    assert stage.trace() == []


def test_a_job_that_fails_or_breaks_says_so_and_the_next_one_is_done(stage: Stage) -> None:
    stage.start()
    failing, breaking = stage.ask("mark", hopeless=True), stage.ask("say", "my secret words", breaks=True)
    good = stage.ask("mark")
    assert stage.ends(failing)["reason"] == "there is no chalk"
    assert "a bug in this actuator (ValueError" in stage.ends(breaking)["reason"]
    assert stage.ends(good)["state"] == "succeeded"
    assert "secret words" not in stage.log()
    stage.until(lambda: "a bug in this actuator" in stage.health()["last_error"])


def test_a_countdown_is_told_each_second(stage: Stage) -> None:
    stage.start()
    job = stage.ask("warn")
    stage.ends(job)
    assert [each["remaining_seconds"] for each in stage.told(job) if each["state"] == "countdown"] == [3, 2, 1]
    assert stage.states(job) == ["accepted", "countdown", "running", "succeeded"]


def test_cancel_works_in_the_queue_in_the_countdown_and_in_the_middle(stage: Stage) -> None:
    stage.start()
    running = stage.ask("mark", before_seconds=60)
    waiting = stage.ask("mark")
    stage.reaches(running, "running")
    stage.reaches(waiting, "accepted")
    cancels = [stage.ask("cancel", job=waiting), stage.ask("cancel", reason="enough of it")]
    assert stage.ends(waiting)["state"] == "cancelled"
    assert stage.ends(running)["state"] == "cancelled"
    assert stage.ends(running)["reason"] == "enough of it; nothing was marked"
    assert [stage.ends(each)["state"] for each in cancels] == ["succeeded", "succeeded"]
    counting = stage.ask("warn")
    stage.reaches(counting, "countdown")
    stage.ask("cancel", job=counting)
    assert stage.ends(counting)["state"] == "cancelled"
    assert stage.states(counting) == ["accepted", "countdown", "cancelled"]
    assert not any(line.startswith("done") for line in stage.trace())


def test_what_must_be_confirmed_waits_is_done_when_confirmed_and_expires_otherwise(stage: Stage) -> None:
    stage.start(policy={"ask": {"confirm_seconds": 1}})
    lonely = stage.ask("ask")
    assert stage.reaches(lonely, "accepted")["waits_for_confirmation"] or stage.until(
        lambda: stage.told(lonely)[-1]["waits_for_confirmation"]
    )
    assert "nobody confirmed it within 1 s" in stage.ends(lonely)["reason"]
    asked = stage.ask("ask")
    stage.until(lambda: any(each["waits_for_confirmation"] for each in stage.told(asked)))
    stage.ask("confirm", job=asked)
    assert stage.ends(asked)["state"] == "succeeded"
    assert (stage.done(lonely), stage.done(asked)) == (0, 1)


def test_sensitive_text_must_be_confirmed_even_where_the_policy_says_none(stage: Stage) -> None:
    stage.start(policy={"say": {"confirm": "none"}})
    job = stage.ask("say", "geheim!", sensitive=True)
    stage.until(lambda: any(each["waits_for_confirmation"] for each in stage.told(job)))
    stage.ask("confirm", job=job)
    assert stage.ends(job)["state"] == "succeeded"
    assert "geheim" not in json.dumps(stage.heard)


def test_a_full_queue_says_busy(stage: Stage) -> None:
    stage.start(queue_length=2)
    jobs = [stage.ask("mark", before_seconds=30) for _ in range(3)]
    assert stage.ends(jobs[2])["reason"].startswith("busy: 2 jobs wait")


def test_a_rate_limit_says_when_again(stage: Stage) -> None:
    stage.start(policy={"mark": {"limit": 2, "limit_seconds": 3600}})
    jobs = [stage.ask("mark") for _ in range(3)]
    assert [stage.ends(each)["state"] for each in jobs] == ["succeeded", "succeeded", "rejected"]
    assert "rate limit: 2 jobs in 3600 s" in stage.ends(jobs[2])["reason"]


def test_jobs_are_done_one_at_a_time_in_order(stage: Stage) -> None:
    stage.start()
    jobs = [stage.ask("mark", before_seconds=0.02) for _ in range(8)]
    for each in jobs:
        stage.ends(each)
    assert stage.trace() == [line for each in jobs for line in (f"begin {each}", f"done {each}")]


def test_a_job_that_takes_too_long_is_stopped_and_has_failed(stage: Stage) -> None:
    stage.start(policy={"mark": {"timeout_seconds": 0.3}})
    assert "longer than its timeout" in stage.ends(stage.ask("mark", before_seconds=60))["reason"]


def test_a_request_expires_to_the_second_while_it_waits(stage: Stage) -> None:
    stage.start()
    long = stage.ask("mark", before_seconds=30)
    stage.reaches(long, "running")
    short = stage.request("mark", life_seconds=1.5)
    stage.send(short)
    told = stage.ends(short["id"])
    assert told["state"] == "expired"
    assert told["at"] >= iso_utc(int(short["expires_at"] * 1e9))
    assert stage.ends(stage.ask("cancel", job=long))["state"] == "succeeded"
    stage.ends(long)
    assert stage.done(short["id"]) == 0


def test_the_emergency_stop_ends_everything_latches_over_a_kill_and_needs_a_signed_reset(stage: Stage) -> None:
    stage.start()
    running = stage.ask("mark", before_seconds=60)
    stage.reaches(running, "running")
    waiting = stage.ask("mark")
    stage.reaches(waiting, "accepted")
    stage.send(b'{"action": "stop"}')
    assert [stage.ends(each)["state"] for each in (running, waiting)] == ["cancelled", "cancelled"]
    assert "release" in stage.trace()
    stage.until(lambda: stage.health()["status"] == "stopped")
    assert "emergency stop is on" in stage.ends(stage.ask("mark"))["reason"]
    stage.kill()
    stage.start()
    assert stage.health()["status"] == "stopped"
    assert "edged act toy reset" in stage.health()["reasons"][0]
    stage.send(b'{"action": "reset", "id": "abcdefgh"}')
    assert "not signed" in stage.ends("abcdefgh")["reason"]
    assert stage.ends(stage.ask("reset"))["state"] == "succeeded"
    stage.until(lambda: stage.health()["status"] == "ok")
    assert stage.ends(stage.ask("mark"))["state"] == "succeeded"
    # The log tells it, and again at a start that finds it on.
    assert stage.log().count("warning: emergency stop since ") == 2
    assert stage.log().count("]: the emergency stop is over") == 1


def test_a_dry_run_tells_everything_and_does_nothing(stage: Stage) -> None:
    stage.start(dry_run=True)
    job = stage.ask("mark")
    assert "dry run" in stage.ends(job)["reason"]
    assert stage.health()["dry_run"] is True
    assert stage.trace() == []


def test_health_says_what_keeps_the_actuator_from_working_and_when_that_is_over(stage: Stage) -> None:
    stage.start()
    (stage.folder / "problem").write_text("the chalk is gone (buy some)", encoding="utf-8")
    stage.until(lambda: stage.health()["status"] == "degraded")
    assert stage.health()["reasons"] == ["the chalk is gone (buy some)"]
    (stage.folder / "problem").unlink()
    stage.until(lambda: stage.health()["status"] == "ok")


BLINK = {"id": "0192f3a4-0000-7000-8000-000000000001", "camera": "front", "kind": "blink", "gesture": "double"}


def blink(**more: Any) -> dict[str, Any]:
    return {**BLINK, "at": iso_utc(time.time_ns()), **more}


def test_a_binding_acts_on_a_blink_once_however_often_it_is_sent(stage: Stage) -> None:
    stage.start(
        bindings=[
            {"name": "greet", "topic": "edged/camera/+/event/blink", "action": "say", "text": "seen by {camera}",
             "when": [{"field": "gesture", "equals": "double"}], "cooldown_seconds": 0},
        ]
    )  # fmt: skip
    stage.publish("edged/camera/front/event/blink", blink(gesture="single", id="another-one"))
    event = blink()
    stage.publish("edged/camera/front/event/blink", event)
    stage.publish("edged/camera/front/event/blink", event)
    told = stage.until(lambda: [each for _, each in stage.heard if "succeeded" in str(each) and "source" in str(each)])
    assert told[0]["source"] == "binding greet"
    stage.kill()
    stage.start(
        bindings=[
            {"name": "greet", "topic": "edged/camera/+/event/blink", "action": "say", "text": "seen by {camera}",
             "when": [{"field": "gesture", "equals": "double"}], "cooldown_seconds": 0},
        ]
    )  # fmt: skip
    stage.publish("edged/camera/front/event/blink", event)
    last = stage.ask("mark")
    stage.ends(last)
    assert [line for line in stage.trace() if line.startswith("done b-")] == [f"done {told[0]['id']}"]


def test_a_binding_that_is_refused_shows_in_health_until_it_is_taken(stage: Stage) -> None:
    refusing = {"name": "greet", "topic": "edged/camera/+/event/blink", "action": "mark",
                "options": {"refuses": "{why}"}, "cooldown_seconds": 0}  # fmt: skip
    stage.start(bindings=[refusing])
    stage.publish("edged/camera/front/event/blink", blink(why="nobody is called that"))
    stage.until(lambda: stage.health()["status"] == "degraded")
    (reason,) = stage.health()["reasons"]
    assert reason == "binding greet was refused: nobody is called that"
    assert stage.health()["last_error"] == reason
    stage.publish("edged/camera/front/event/blink", blink(why="", id="another-event"))
    stage.until(lambda: stage.health()["status"] == "ok")


def test_a_long_blink_and_a_look_away_cancel_the_job_at_hand(stage: Stage) -> None:
    stage.start(cancel={"camera": "front", "zones": ["away"]})
    for leaf, event in (("blink", {"gesture": "long"}), ("gaze", {"zone": "away", "kind": "gaze"})):
        job = stage.ask("mark", before_seconds=60)
        stage.reaches(job, "running")
        stage.publish(f"edged/camera/front/event/{leaf}", blink(gesture="double") | {"id": f"other-{leaf}"})
        stage.publish(f"edged/camera/front/event/{leaf}", blink(**{"gesture": None, **event}))
        assert "cancelled by the sitter" in stage.ends(job)["reason"]


def test_unsigned_requests_are_taken_only_where_the_owner_says_so_on_the_loopback(stage: Stage) -> None:
    stage.start(signing__required=False)
    stage.key = None
    job = stage.ask("mark")
    assert stage.ends(job)["state"] == "succeeded"
    payload = encoded({"id": job, "action": "mark", "issued_at": time.time(), "expires_at": time.time() + 9})
    stage.send(payload)
    stage.until(lambda: stage.health()["refused"].get("replayed"))
    assert stage.done(job) == 1


def test_the_guide_says_how_to_sign_with_a_shell(stage: Stage) -> None:
    if missing := [name for name in ("bash", "jq", "openssl", "mosquitto_pub") if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} not here")
    stage.start()
    # The shell's clock has whole seconds, and nothing is trusted that was issued before the first start.
    first_second = int(time.time())
    stage.until(lambda: int(time.time()) > first_second)
    page = (ROOT / "docs" / "actuators.md").read_text(encoding="utf-8")
    script = page.split("```sh\n")[1].split("```")[0]
    ours = (
        script.replace("actuator/typing/", "actuator/toy/")
        .replace('actuator: "typing", action: "type"', 'actuator: "toy", action: "say"')
        .replace("typing.key", str(stage.key_file))
        .replace("mosquitto_pub ", f"mosquitto_pub -h {stage.broker.host} -p {stage.broker.port} ")
    )
    assert "typing" not in ours
    done = subprocess.run(["bash", "-ec", ours], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    stage.until(lambda: any(each["state"] == "succeeded" for _, each in stage.heard_jobs()))
