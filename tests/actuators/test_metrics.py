"""A real actuator that is asked over HTTP."""

from __future__ import annotations

import json
import socket

from tests.actuators.stage import Stage
from tests.metrics.asking import ask, port_in


def port_of(stage: Stage) -> int:
    return int(stage.until(lambda: port_in(stage.log)))


def test_jobs_refusals_and_costs_are_told_and_no_word_of_what_was_asked(stage: Stage) -> None:
    stage.start()
    port = port_of(stage)
    stage.ends(stage.ask("mark", "Anna Lovelace"))
    stage.send({**stage.request("mark"), "signature": "0" * 64})
    stage.ask("sing Anna a song")
    page = stage.until(
        lambda: (
            (it := ask(port)).value("edged_requests_refused_total", reason="altered") == 1
            and it.value("edged_jobs_total", action="other", state="rejected")
            and it
        )
    )
    assert page.value("edged_jobs_total", actuator="toy", action="mark", state="succeeded") == 1
    assert page.value("edged_job_duration_seconds_count", action="mark") == 1
    assert page.value("edged_broker_connected") == 1
    assert page.value("edged_emergency_stop") == 0
    assert (page.value("edged_process_pss_bytes", process="actuator") or 0) > 1_000_000
    assert "Anna" not in page.text


def test_health_is_what_goes_to_mqtt_and_an_emergency_stop_is_503(stage: Stage) -> None:
    stage.start()
    port = port_of(stage)
    health = ask(port, "/health")
    assert health.status == 200
    assert json.loads(health.body).keys() == stage.health().keys()
    stage.ask("stop")
    stage.until(lambda: stage.health()["status"] == "stopped")
    assert ask(port, "/health").status == 503
    stage.until(lambda: ask(port).value("edged_emergency_stop") == 1)


def test_a_port_that_is_taken_is_said_in_health_and_harms_nothing(stage: Stage) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        stage.start(metrics__port=port)
        assert stage.health()["status"] == "ok"
        assert f"listens on 127.0.0.1:{port} (set metrics.port to a free one)" in stage.health()["reasons"][0]
        assert stage.ends(stage.ask("mark"))["state"] == "succeeded"
