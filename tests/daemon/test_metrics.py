"""A real daemon that is asked over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

from tests.daemon.conftest import Theatre
from tests.metrics.asking import ask, port_in


def port_of(theatre: Theatre) -> int:
    return int(theatre.until(lambda: port_in(theatre.log)))


def test_a_daemon_tells_its_figures_and_what_it_tells_mqtt(theatre: Theatre) -> None:
    port = port_of(theatre)
    theatre.pull("faces", "1")
    theatre.until(lambda: theatre.all("event/presence"))
    page = theatre.until(lambda: (it := ask(port)).value("edged_events_total", kind="presence") == 1 and it)
    assert page.value("edged_health_status", camera="front", status="ok") == 1
    assert page.value("edged_broker_connected", camera="front") == 1
    assert (page.value("edged_frames_analysed_total") or 0) > 0
    assert page.value("edged_stage_duration_seconds_count", stage="detection") == page.value(
        "edged_frame_latency_seconds_count"
    )
    for process in ("daemon", "capture", "inference"):
        assert (page.value("edged_process_pss_bytes", process=process) or 0) > 1_000_000
        assert (page.value("edged_process_cpu_seconds_total", process=process) or 0) > 0
    health = ask(port, "/health")
    assert health.status == 200
    assert json.loads(health.body).keys() == theatre.last("health").keys()
    assert ask(port, "/").status == 404


def test_a_camera_that_is_gone_is_503_with_the_reason(theatre: Theatre) -> None:
    port = port_of(theatre)
    theatre.pull("camera", "unplugged")
    theatre.wait_for("no_camera")
    health = ask(port, "/health")
    assert health.status == 503
    assert "unplugged" in json.loads(health.body)["reasons"][0]


def test_a_child_that_dies_is_counted_and_the_new_one_weighed(theatre: Theatre) -> None:
    port = port_of(theatre)
    ask(port)
    os.kill(theatre.children()["inference"], signal.SIGKILL)
    page = theatre.until(
        lambda: (it := ask(port)).value("edged_process_restarts_total", process="inference") == 1 and it
    )
    page = theatre.until(lambda: (it := ask(port)).value("edged_process_pss_bytes", process="inference") and it)
    assert page.value("edged_process_restarts_total", process="capture") == 0


def test_a_port_that_is_taken_is_said_in_health_and_harms_nothing(stage: Theatre) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        stage.configure(metrics={"port": port})
        stage.start()
        health = stage.until(lambda: (it := stage.last("health")) and it["status"] == "ok" and it["reasons"] and it)
    assert f"listens on 127.0.0.1:{port} (set metrics.port to a free one)" in health["reasons"][0]


def test_a_restart_by_command_gives_the_port_back_and_takes_it_again(theatre: Theatre) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    theatre.configure(metrics={"port": port})
    theatre.ask("restart")
    theatre.until(lambda: port_in(theatre.log) == port)
    theatre.wait_for("ok")
    begun = ask(port).value("edged_start_time_seconds")
    theatre.ask("restart")
    theatre.until(lambda: _begun(port) not in (None, begun))
    assert "no metrics" not in theatre.log()


def _begun(port: int) -> float | None:
    try:
        return ask(port).value("edged_start_time_seconds")
    except ConnectionError:
        return None  # between two lives


def test_switched_off_nobody_listens(stage: Theatre) -> None:
    stage.configure(metrics={"enabled": False})
    stage.start()
    stage.wait_for("ok")
    assert "metrics at" not in stage.log()
    assert stage.daemon is not None
    assert _listeners(stage.daemon.pid) == []


def _listeners(pid: int) -> list[str]:
    """Addresses on which a process listens, as the kernel writes them."""
    own = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            own.add(str(Path(f"/proc/{pid}/fd/{name}").readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    found = []
    for table in ("tcp", "tcp6"):
        with Path(f"/proc/{pid}/net/{table}").open(encoding="ascii") as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                    found.append(fields[1])
    return found


def test_it_listens_on_the_loopback_only_and_on_nothing_else(theatre: Theatre) -> None:
    port = port_of(theatre)
    assert theatre.daemon is not None
    # 127.0.0.1 in the byte order of this machine.
    assert _listeners(theatre.daemon.pid) == [f"0100007F:{port:04X}"]
    for pid in theatre.children().values():
        assert _listeners(pid) == []
