"""Settings from afar: a real daemon, a real broker, toy children."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings
from tests.daemon.conftest import Theatre, alive

DWELL = {"judgement": {"gaze": {"dwell_seconds": 2.5}}}


def results(theatre: Theatre) -> list[Any]:
    return theatre.all("config/result")


def dwell(theatre: Theatre) -> Any:
    state = theatre.last("config/state") or {}
    return state.get("settings", {}).get("judgement", {}).get("gaze", {}).get("dwell_seconds")


def faces(theatre: Theatre) -> Any:
    return (theatre.last("config/state") or {})["settings"]["inference"]["max_faces"]


def test_a_wish_takes_effect_without_a_restart(theatre: Theatre) -> None:
    theatre.until(lambda: dwell(theatre) == 1.0)
    before = theatre.children()
    theatre.publish("config/set", {**DWELL, "inference": {"max_faces": 5}}, retain=True)
    theatre.until(lambda: dwell(theatre) == 2.5)
    theatre.until(lambda: "follows 5" in theatre.last("health")["reasons"])
    assert theatre.children() == before
    state = theatre.last("config/state")
    assert state["changed"] == {"judgement.gaze.dwell_seconds": "config/set", "inference.max_faces": "config/set"}
    result = results(theatre)[-1]
    assert (result["status"], result["pending_restart"], result["errors"]) == ("accepted", [], [])
    assert set(result["changed"]) == set(state["changed"])
    theatre.publish("config/set", b"", retain=True)
    theatre.until(lambda: dwell(theatre) == 1.0)
    assert theatre.last("config/state")["changed"] == {}
    theatre.until(lambda: [event["change"] for event in theatre.all("event/config")] == ["applied", "applied"])


def test_a_change_is_laid_over_what_was_wished_and_the_whole_wish_is_retained(theatre: Theatre) -> None:
    theatre.publish("config/set", DWELL, retain=True)
    theatre.until(lambda: dwell(theatre) == 2.5)
    theatre.publish("config/change", {"inference": {"max_faces": 4}})
    theatre.until(lambda: faces(theatre) == 4)
    assert dwell(theatre) == 2.5
    theatre.until(lambda: {**DWELL, "inference": {"max_faces": 4}} in theatre.all("config/set"))
    theatre.publish("config/change", {"judgement": {"gaze": {"dwell_seconds": None}}})
    theatre.until(lambda: dwell(theatre) == 1.0)
    assert theatre.last("config/state")["changed"] == {"inference.max_faces": "config/change"}


def kept_at_the_broker(theatre: Theatre) -> Any:
    """What somebody who subscribes now is given on `config/set`."""
    mqtt = MqttSettings(host=theatre.broker.host, port=theatre.broker.port)
    with Subscriber(mqtt, ["edged/camera/front/config/set"]) as newcomer:
        return next((json.loads(message.payload) for message in newcomer.messages(1.0)), {})


def settled(theatre: Theatre, wish: dict[str, Any], answers: int) -> None:
    """The daemon and the broker hold the same wish, also after a reconnect, and that many were answered."""
    seconds = wish.get("judgement", {}).get("gaze", {}).get("dwell_seconds", 1.0)
    most = wish.get("inference", {}).get("max_faces", 2)
    theatre.until(lambda: len(results(theatre)) >= answers and (dwell(theatre), faces(theatre)) == (seconds, most))
    theatre.until(lambda: kept_at_the_broker(theatre) == wish)
    theatre.ask("reconnect")
    for _ in range(20):
        theatre.hear(0.1)
    assert {result["status"] for result in results(theatre)} == {"accepted"}
    assert not any(result["changed"] for result in results(theatre)[answers:])  # what is retained came once more
    assert (dwell(theatre), faces(theatre)) == (seconds, most)
    assert kept_at_the_broker(theatre) == wish


def test_a_reset_right_after_changes_counts_and_is_answered(theatre: Theatre) -> None:
    for seconds in (2.5, 3.0, 3.5):
        theatre.publish("config/change", {"judgement": {"gaze": {"dwell_seconds": seconds}}})
    theatre.publish("config/set", b"", retain=True)
    settled(theatre, {}, answers=4)


def test_a_change_taken_back_at_once_is_gone_everywhere(theatre: Theatre) -> None:
    theatre.publish("config/change", DWELL)
    theatre.publish("config/change", {"judgement": {"gaze": {"dwell_seconds": None}}})
    settled(theatre, {}, answers=2)


def test_of_a_change_and_a_whole_wish_at_once_the_later_counts_here_and_at_the_broker(theatre: Theatre) -> None:
    theatre.publish("config/change", DWELL)
    theatre.publish("config/change", {"judgement": {"gaze": {"dwell_seconds": None}}})
    theatre.publish("config/set", {"inference": {"max_faces": 4}}, retain=True)
    settled(theatre, {"inference": {"max_faces": 4}}, answers=3)


def test_a_wish_that_was_not_retained_is_kept_at_the_broker_all_the_same(theatre: Theatre) -> None:
    theatre.publish("config/set", DWELL, retain=True)
    theatre.until(lambda: dwell(theatre) == 2.5)
    theatre.publish("config/set", {"inference": {"max_faces": 4}})
    settled(theatre, {"inference": {"max_faces": 4}}, answers=2)


def test_every_error_is_told_and_nothing_changes(theatre: Theatre) -> None:
    theatre.until(lambda: dwell(theatre) == 1.0)
    theatre.publish(
        "config/set",
        {
            "judgement": {"gaze": {"dwell_second": 1, "side_degrees": "12"}, "blink": {"open_openness": 7}},
            "mqtt": {"password": "hunter2"},
            "models": {"directory": "/tmp"},
        },
        retain=True,
    )
    result = theatre.until(lambda: results(theatre) and results(theatre)[-1])
    assert result["status"] == "rejected"
    errors = {error["path"]: error for error in result["errors"]}
    assert set(errors) == {
        "judgement.gaze.dwell_second", "judgement.gaze.side_degrees", "judgement.blink.open_openness",
        "mqtt.password", "models.directory",
    }  # fmt: skip
    assert "did you mean judgement.gaze.dwell_seconds?" in errors["judgement.gaze.dwell_second"]["cure"]
    assert "broker" in errors["mqtt.password"]["reason"]
    assert "file or folder" in errors["models.directory"]["reason"]
    assert "hunter2" not in json.dumps(theatre.all("config/result")) + theatre.log()
    assert dwell(theatre) == 1.0
    assert theatre.last("config/state")["revision"] == 0


def test_what_needs_a_restart_waits_for_it_and_is_named(theatre: Theatre) -> None:
    theatre.publish("config/change", {"inference": {"threads": 2}, **DWELL})
    theatre.until(lambda: dwell(theatre) == 2.5)
    state = theatre.last("config/state")
    assert state["pending_restart"] == ["inference.threads"]
    assert state["settings"]["inference"]["threads"] == 1
    theatre.ask("restart")
    theatre.until(lambda: theatre.last("config/state")["settings"]["inference"]["threads"] == 2)
    assert theatre.last("config/state")["pending_restart"] == []


def test_a_change_with_which_the_pipeline_dies_is_taken_back(theatre: Theatre) -> None:
    theatre.publish("config/set", DWELL, retain=True)
    theatre.until(lambda: dwell(theatre) == 2.5 and not theatre.last("config/state")["on_probation"])
    theatre.publish("config/set", {**DWELL, "inference": {"max_faces": 13}}, retain=True)
    theatre.until(lambda: any(event["change"] == "rolled_back" for event in theatre.all("event/config")), 30)
    theatre.until(lambda: faces(theatre) == 2)
    event = theatre.last("event/config")
    assert event["paths"] == ["inference.max_faces"]
    assert "SIGABRT" in event["reason"]
    assert dwell(theatre) == 2.5
    theatre.until(lambda: theatre.all("config/set")[-1] == DWELL)
    theatre.until(lambda: results(theatre)[-1]["status"] == "rolled_back")
    theatre.wait_for("ok")
    # The broker repeats it with the next connect: it is not tried again.
    theatre.publish("config/set", {**DWELL, "inference": {"max_faces": 13}}, retain=True)
    theatre.until(lambda: results(theatre)[-1]["status"] == "rejected")
    assert "SIGABRT" in results(theatre)[-1]["errors"][0]["reason"]


def test_a_change_that_awaited_a_restart_is_taken_back_over_the_restart(theatre: Theatre) -> None:
    theatre.publish("config/change", {"inference": {"threads": 13}})
    theatre.until(lambda: theatre.last("config/state") and theatre.last("config/state")["pending_restart"])
    theatre.ask("restart")
    theatre.until(lambda: any(event["change"] == "rolled_back" for event in theatre.all("event/config")), 60)
    theatre.until(lambda: theatre.last("config/state")["settings"]["inference"]["threads"] == 1, 30)
    theatre.wait_for("ok")


def test_wishes_outlive_a_daemon_that_is_killed_and_a_broker_that_is_away(theatre: Theatre) -> None:
    theatre.publish("config/change", DWELL)
    theatre.until(lambda: dwell(theatre) == 2.5 and not theatre.last("config/state")["on_probation"])
    assert theatre.daemon is not None
    children = theatre.children()
    theatre.daemon.kill()
    theatre.daemon.wait()
    theatre.until(lambda: not any(alive(pid) for pid in children.values()))
    theatre.publish("config/set", b"", retain=True)  # the retained wish is gone, as with a broker that lost its disk
    theatre.hear(0.5)
    theatre.broker.kill()
    theatre.start()
    theatre.until(lambda: len(theatre.children()) == 2)
    theatre.heard.clear()
    theatre.broker.start()
    theatre.until(lambda: dwell(theatre) == 2.5)


def test_a_daemon_that_is_killed_twice_while_a_change_is_tried_takes_it_back(stage: Theatre) -> None:
    stage.configure(remote={"probation_seconds": 600})
    stage.start()
    stage.wait_for("ok")
    stage.publish("config/change", DWELL)
    stage.until(lambda: dwell(stage) == 2.5)
    for _ in range(3):
        assert stage.daemon is not None
        stage.daemon.send_signal(signal.SIGKILL)
        stage.daemon.wait()
        stage.heard.clear()
        stage.start()
        stage.until(lambda: stage.last("availability") == "online" and dwell(stage) is not None)
    stage.until(lambda: dwell(stage) == 1.0)
    stage.until(lambda: any(event["change"] == "rolled_back" for event in stage.all("event/config")))


def test_pause_outlives_a_daemon_that_is_killed(theatre: Theatre) -> None:
    theatre.ask("pause", b'{"paused": true}')
    theatre.wait_for("paused")
    assert theatre.daemon is not None
    theatre.daemon.kill()
    theatre.daemon.wait()
    theatre.heard.clear()
    theatre.start()
    theatre.wait_for("paused")
    theatre.ask("pause", b'{"paused": false}')
    theatre.wait_for("ok")


def test_a_pause_that_cannot_be_kept_says_so(theatre: Theatre) -> None:
    folder = Path(os.environ["EDGED_STATE_DIR"])
    (folder / "front.kept.json.new").mkdir()  # where the new file would be written
    theatre.ask("pause", b'{"paused": true}')
    answer = theatre.until(lambda: theatre.last("response/pause"))
    assert answer["status"] == "ok"
    assert "a pause are not kept over a restart" in answer["data"]["warning"]
    theatre.wait_for("paused")


def test_what_was_kept_and_cannot_be_read_any_more_is_told_until_the_next_start(stage: Theatre) -> None:
    folder = Path(os.environ["EDGED_STATE_DIR"])
    (folder / "front.kept.json").write_bytes(b'{"paused": tru')
    stage.start()
    health = stage.wait_for("degraded")
    assert any("a pause is forgotten" in reason for reason in health["reasons"])
    (aside,) = folder.glob("front.kept.json.aside-*")
    assert aside.read_bytes() == b'{"paused": tru'
    stage.publish("config/change", DWELL)  # writes a new file
    stage.until(lambda: dwell(stage) == 2.5)
    stage.ask("reconnect")
    stage.hear(1.0)
    assert stage.last("health")["status"] == "degraded"


def test_retained_changes_are_refused_at_every_connect(theatre: Theatre) -> None:
    theatre.publish("config/change", DWELL, retain=True)
    for count in range(1, 4):
        theatre.until(lambda count=count: len(results(theatre)) >= count)  # type: ignore[misc]
        result = results(theatre)[-1]
        assert result["status"] == "rejected"
        assert "retained" in result["errors"][0]["reason"]
        theatre.ask("reconnect")
    assert dwell(theatre) == 1.0


def test_with_the_door_shut_nothing_comes_in(stage: Theatre) -> None:
    stage.configure(remote={"enabled": False})
    stage.start()
    stage.wait_for("ok")
    stage.publish("config/change", DWELL)
    result = stage.until(lambda: results(stage) and results(stage)[-1])
    assert result["status"] == "rejected"
    assert "switched off" in result["errors"][0]["reason"]


def test_the_answer_goes_to_who_asked(theatre: Theatre) -> None:
    theatre.publish("config/change", b"[]", response_topic="edged/camera/front/response/mine", correlation=b"42")
    answer = theatre.until(lambda: theatre.last("response/mine"))
    assert answer["status"] == "rejected"
