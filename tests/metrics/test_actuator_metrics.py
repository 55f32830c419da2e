"""What an actuator counts: each job once, however often its end is told, and nothing of what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from edged.actuators.loading import load_actuator
from edged.jobs import JobState
from edged.metrics.actuator import ActuatorMetrics, Waiting
from edged.metrics.service import Broker
from edged.settings.metrics import MetricsSettings
from tests.metrics.asking import Page


@pytest.fixture
def metrics() -> ActuatorMetrics:
    return ActuatorMetrics(
        MetricsSettings(port=0), "typing", "typing", ["type"], ["stop", "cancel"], health_seconds=1,
        broker=lambda: Broker(connected=False, connects=0), waiting=lambda: Waiting(3, 7.5, 1),
    )  # fmt: skip


def told(state: Any, job: str = "job-0001", action: str = "type", attempt: int = 1) -> JobState:
    return JobState(job, "typing", action, state, "", "because", attempt=attempt)


def page(metrics: ActuatorMetrics) -> Page:
    metrics._page = None
    answer = metrics.page("/metrics")
    assert answer is not None
    return Page(answer.status, answer.body, {})


def test_a_job_waits_works_and_ends_once(metrics: ActuatorMetrics) -> None:
    for state, at in (("accepted", 10.0), ("countdown", 11.0), ("countdown", 12.0), ("running", 13.0)):
        metrics.job(told(state), at)
    for at in (13.4, 20.0, 30.0):  # asked again, it is told again
        metrics.job(told("succeeded"), at)
    found = page(metrics)
    assert found.value("edged_jobs_total", action="type", state="succeeded") == 1
    assert found.value("edged_jobs_total", action="type", state="failed") == 0
    assert found.value("edged_job_wait_seconds_sum", action="type") == pytest.approx(3.0)
    assert found.value("edged_job_duration_seconds_sum", action="type") == pytest.approx(0.4)
    assert found.value("edged_job_duration_seconds_count", action="type") == 1
    assert metrics._jobs == {}


def test_each_try_of_a_durable_job_has_its_duration(metrics: ActuatorMetrics) -> None:
    for state, at, attempt in (
        ("accepted", 0.0, 1), ("running", 1.0, 1), ("accepted", 3.0, 1), ("running", 60.0, 2), ("succeeded", 64.0, 2),
    ):  # fmt: skip
        metrics.job(told(state, attempt=attempt), at)
    found = page(metrics)
    assert found.value("edged_job_duration_seconds_count", action="type") == 2
    assert found.value("edged_job_duration_seconds_sum", action="type") == pytest.approx(6.0)
    assert found.value("edged_job_wait_seconds_sum", action="type") == pytest.approx(1.0)


def test_a_job_that_is_cancelled_before_it_begins_has_no_duration(metrics: ActuatorMetrics) -> None:
    metrics.job(told("accepted"), 0.0)
    metrics.job(told("cancelled"), 1.0)
    found = page(metrics)
    assert found.value("edged_jobs_total", action="type", state="cancelled") == 1
    assert found.value("edged_job_duration_seconds_count", action="type") is None


def test_what_strangers_ask_for_is_no_label_and_is_not_remembered(metrics: ActuatorMetrics) -> None:
    for number in range(1000):
        metrics.job(told("rejected", f"stranger-{number}", f"rm -rf {number}"), 0.0)
    found = page(metrics)
    assert found.value("edged_jobs_total", action="other", state="rejected") == 1000
    assert "rm -rf" not in found.text
    assert "stranger" not in found.text
    assert metrics._jobs == {}


def test_a_stop_counts_though_it_waits_in_no_queue(metrics: ActuatorMetrics) -> None:
    metrics.job(told("succeeded", action="stop"), 0.0)
    assert page(metrics).value("edged_jobs_total", action="stop", state="succeeded") == 1


def test_what_waits_for_the_broker_is_as_it_is_now(metrics: ActuatorMetrics) -> None:
    found = page(metrics)
    assert found.value("edged_outbox_messages") == 3
    assert found.value("edged_outbox_oldest_seconds") == 7.5
    assert found.value("edged_broker_connected") == 0


def test_one_of_each_kind_lives_on_one_machine() -> None:
    ports = [load_actuator(kind, None, {}, {}).settings.metrics.port for kind in ("typing", "lock_screen", "twilio")]
    assert ports == [17720, 17721, 17722]
    assert load_actuator("desk", None, {"kind": "twilio", "metrics.port": 0}, {}).settings.metrics.port == 0
