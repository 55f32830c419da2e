"""The whole daemon with toy children, a real mosquitto and a real listener."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.daemon.conftest import ROOT, Theatre, alive
from tests.daemon.toys import JPEG


def test_starts_observes_and_tells(theatre: Theatre) -> None:
    assert theatre.last("availability") == "online"
    assert theatre.last("state/presence")["someone"] is False
    theatre.pull("faces", "1")
    theatre.until(lambda: (theatre.last("state/presence") or {}).get("someone"))
    arrived = theatre.until(lambda: theatre.last("event/presence"))
    assert (arrived["change"], arrived["people"], arrived["camera"]) == ("arrived", 1, "front")
    theatre.until(lambda: theatre.last("summary"))
    health = theatre.until(
        lambda: (theatre.last("health") or {}).get("frames_per_second", 0) > 5 and theatre.last("health")
    )
    assert health["reasons"] == []
    assert health["restarts"] == {"capture": 0, "inference": 0}
    assert health["latency_ms"]["p50"] > 0
    assert health["stage_ms"] == {"detection": 1.5}
    assert health["version"]


def test_events_are_numbered_and_their_ids_differ(theatre: Theatre) -> None:
    for count in ("1", "0", "1", "0"):
        theatre.pull("faces", count)
        theatre.until(lambda count=count: (theatre.last("state/presence") or {}).get("people") == int(count))  # type: ignore[misc]
    theatre.hear(0.3)
    told = [payload for topic, payload in theatre.heard if topic.startswith("event/")]
    assert [event["seq"] for event in told] == list(range(told[0]["seq"], told[0]["seq"] + len(told)))
    assert len({event["id"] for event in told}) == len(told)


def test_sigterm_ends_all_in_two_seconds_and_says_offline(theatre: Theatre) -> None:
    assert theatre.daemon is not None
    children = theatre.until(lambda: len(found := theatre.children()) == 2 and found)
    began = time.monotonic()
    theatre.daemon.send_signal(signal.SIGTERM)
    assert theatre.daemon.wait(10) == 0
    assert time.monotonic() - began < 2.0
    theatre.until(lambda: theatre.last("availability") == "offline")
    assert not any(alive(pid) for pid in children.values())


def test_ctrl_c_prints_no_traceback(theatre: Theatre) -> None:
    assert theatre.daemon is not None
    theatre.daemon.send_signal(signal.SIGINT)
    assert theatre.daemon.wait(10) == 130
    assert "Traceback" not in theatre.log()
    theatre.until(lambda: theatre.last("availability") == "offline")


def test_sigkill_of_the_daemon_is_told_by_the_broker_and_leaves_no_child(theatre: Theatre) -> None:
    assert theatre.daemon is not None
    children = theatre.until(lambda: len(found := theatre.children()) == 2 and found)
    theatre.daemon.kill()
    theatre.daemon.wait()
    theatre.until(lambda: theatre.last("availability") == "offline")
    deadline = time.monotonic() + 5
    while any(alive(pid) and _state(pid) != "Z" for pid in children.values()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


@pytest.mark.parametrize("name", ["capture", "inference"])
@pytest.mark.parametrize(("number", "cause"), [(signal.SIGKILL, "process_died"), (signal.SIGSTOP, "process_hung")])
def test_a_child_that_dies_or_hangs_is_replaced_and_told(
    theatre: Theatre, name: str, number: signal.Signals, cause: str
) -> None:
    first = theatre.until(lambda: len(found := theatre.children()) == 2 and found)
    os.kill(first[name], number)
    event = theatre.until(lambda: next((e for e in theatre.all("event/health") if e["cause"] == cause), None))
    assert (event["process"], event["restarts"]) == (name, 1)
    theatre.until(lambda: theatre.children().get(name, first[name]) != first[name])
    theatre.until(lambda: theatre.last("health")["restarts"][name] == 1 and theatre.status() == "ok")
    assert theatre.children()[{"capture": "inference", "inference": "capture"}[name]] in first.values()


def test_a_child_that_keeps_dying_backs_off_and_health_says_why(stage: Theatre) -> None:
    stage.pull("inference", "dies")
    stage.start()
    stage.until(lambda: (stage.last("health") or {}).get("restarts", {}).get("inference", 0) >= 5)
    health = stage.until(lambda: stage.status() == "stalled" and stage.last("health"))
    assert any("inference keeps failing" in reason and "SIGABRT" in reason for reason in health["reasons"])
    count = health["restarts"]["inference"]
    stage.hear(1.0)
    assert stage.last("health")["restarts"]["inference"] <= count + 1


def test_what_cannot_work_is_said_with_its_cure(stage: Theatre) -> None:
    stage.pull("inference", "hopeless")
    stage.start()
    health = stage.wait_for("stalled")
    assert health["reasons"] == ["inference: no toy runtime is installed (pip install toys)"]
    stage.until(lambda: stage.last("event/health"))


def test_missing_models_degrade(stage: Theatre) -> None:
    stage.pull("inference", "blind")
    stage.start()
    health = stage.wait_for("degraded")
    assert health["missing_models"] == ["iris_landmark"]
    assert "edged models pull iris_landmark" in health["reasons"][0]


def test_a_lost_camera_is_told_and_nobody_is_there_any_more(theatre: Theatre) -> None:
    theatre.pull("faces", "1")
    theatre.until(lambda: theatre.last("state/presence")["someone"])
    theatre.pull("camera", "the cable is out (put it in)")
    health = theatre.wait_for("no_camera")
    assert health["reasons"] == ["the cable is out (put it in); it is tried again by itself"]
    theatre.hear(1.0)  # while it is tried again and again
    assert [event["status"] for event in theatre.all("event/health")][-1] == "no_camera"
    assert [event["cause"] for event in theatre.all("event/health")].count("camera_lost") == 1
    theatre.until(lambda: not theatre.last("state/presence")["someone"])
    theatre.until(lambda: any(event["cause"] == "camera_lost" for event in theatre.all("event/health")))
    theatre.pull("camera", "streaming")
    theatre.wait_for("ok")
    theatre.until(lambda: any(event["cause"] == "camera_back" for event in theatre.all("event/health")))


def test_a_camera_that_was_never_there(stage: Theatre) -> None:
    stage.pull("camera", "no such device /dev/video7 (ls /dev/video*)")
    stage.start()
    health = stage.wait_for("no_camera")
    assert "/dev/video7" in health["reasons"][0]
    assert stage.last("state/presence")["someone"] is False


def test_a_source_that_ends_ends_the_daemon(theatre: Theatre) -> None:
    assert theatre.daemon is not None
    theatre.pull("camera", "ended")
    assert theatre.daemon.wait(20) == 0
    theatre.until(lambda: theatre.last("availability") == "offline")
    assert not any(event["cause"] == "process_died" for event in theatre.all("event/health"))


def test_a_broker_that_comes_later(stage: Theatre) -> None:
    stage.broker.kill()
    daemon = stage.start()
    deadline = time.monotonic() + 20
    while "no MQTT" not in stage.log():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stage.pull("faces", "1")
    time.sleep(0.5)
    # Held until we listen: with the broker's memory gone, who connects first could be the daemon.
    daemon.send_signal(signal.SIGSTOP)
    stage.broker.start()
    stage.until(stage.listening)
    daemon.send_signal(signal.SIGCONT)
    stage.wait_for("ok")
    stage.until(lambda: (stage.last("state/presence") or {}).get("someone"))
    stage.until(lambda: stage.last("event/presence"))  # it waited in the outbox


@pytest.mark.parametrize("trouble", ["absent", "frozen"])
def test_no_broker_keeps_the_daemon_from_ending_in_time(theatre: Theatre, trouble: str) -> None:
    assert theatre.daemon is not None
    if trouble == "absent":
        theatre.broker.kill()
    else:
        theatre.broker.freeze()
    theatre.pull("faces", "1")  # so that something waits to be acknowledged
    time.sleep(0.5)
    began = time.monotonic()
    theatre.daemon.send_signal(signal.SIGTERM)
    assert theatre.daemon.wait(10) == 0
    assert time.monotonic() - began < 2.0


def answer(theatre: Theatre, command: str, transaction: str = "t1") -> dict[str, object]:
    theatre.ask(command, b'{"transaction": "%s"}' % transaction.encode())
    found: dict[str, object] = theatre.until(
        lambda: next((r for r in theatre.all(f"response/{command}") if r["transaction"] == transaction), None)
    )
    return found


def test_pause_and_resume(theatre: Theatre) -> None:
    assert answer(theatre, "pause")["status"] == "ok"
    health = theatre.wait_for("paused")
    assert "command/resume" in health["reasons"][0]
    count = theatre.last("health")["restarts"]
    assert answer(theatre, "resume")["status"] == "ok"
    theatre.wait_for("ok")
    assert theatre.last("health")["restarts"] == count


def test_who_was_paused_is_still_paused_after_a_restart(theatre: Theatre) -> None:
    assert answer(theatre, "pause")["status"] == "ok"
    theatre.wait_for("paused")
    seen = len(theatre.heard)
    assert answer(theatre, "restart", "again")["status"] == "ok"
    theatre.until(lambda: [p for t, p in theatre.heard[seen:] if t == "availability"][-2:] == ["offline", "online"])
    theatre.wait_for("paused")
    theatre.hear(1.0)
    assert theatre.status() == "paused"
    assert answer(theatre, "resume", "on")["status"] == "ok"
    theatre.wait_for("ok")


def test_snapshots_are_refused_unless_turned_on(theatre: Theatre) -> None:
    response = answer(theatre, "snapshot")
    assert response["status"] == "error"
    assert "snapshot.enabled" in str(response["error"])
    theatre.hear(0.3)
    assert theatre.all("snapshot/frame") == []


def test_a_snapshot_is_published_when_turned_on(stage: Theatre) -> None:
    stage.configure(snapshot={"enabled": True})
    stage.start()
    stage.wait_for("ok")
    assert answer(stage, "snapshot")["status"] == "ok"
    assert stage.until(lambda: stage.last("snapshot/frame")) == JPEG


def test_unknown_commands_are_answered(theatre: Theatre) -> None:
    response = answer(theatre, "dance")
    assert response["status"] == "error"


def test_restart_begins_a_new_life_with_new_settings(theatre: Theatre) -> None:
    assert theatre.daemon is not None
    first = theatre.until(lambda: len(found := theatre.children()) == 2 and found)
    theatre.configure(health={"interval_seconds": 1.5})
    seen = len(theatre.heard)
    assert answer(theatre, "restart")["status"] == "ok"
    theatre.until(lambda: [p for t, p in theatre.heard[seen:] if t == "availability"][-2:] == ["offline", "online"])
    theatre.until(lambda: len(found := theatre.children()) == 2 and not set(found.values()) & set(first.values()))
    theatre.wait_for("ok")
    assert theatre.daemon.poll() is None
    assert len(list(Path(f"/proc/{theatre.daemon.pid}/fd").iterdir())) < 40


def test_restart_with_wrong_settings_is_refused_and_work_goes_on(theatre: Theatre) -> None:
    first = theatre.children()
    theatre.configure(health={"interval_seconds": -1})
    response = answer(theatre, "restart")
    assert response["status"] == "error"
    assert "interval_seconds" in str(response["error"])
    theatre.hear(0.5)
    assert theatre.children() == first


def test_restarts_leak_no_descriptors(theatre: Theatre) -> None:
    assert theatre.daemon is not None
    counts = []
    for number in range(4):
        assert answer(theatre, "restart", f"r{number}")["status"] == "ok"
        theatre.until(lambda number=number: theatre.log().count("restarting") == number + 1)  # type: ignore[misc]
        theatre.until(lambda: len(theatre.children()) == 2)
        theatre.until(lambda: theatre.last("availability") == "online")
        theatre.wait_for("ok")
        counts.append(len(list(Path(f"/proc/{theatre.daemon.pid}/fd").iterdir())))
    assert counts[-1] <= counts[0] + 1


def test_the_parent_never_loads_vision_code() -> None:
    script = (
        "import sys, edged.daemon.daemon, edged.cli.run\n"
        "found = [m for m in ('cv2', 'numpy', 'ai_edge_litert', 'tflite_runtime', 'mediapipe') if m in sys.modules]\n"
        "sys.exit(', '.join(found) or 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
