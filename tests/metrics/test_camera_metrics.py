"""What a camera's daemon counts, and when it says that it is not well."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest

from edged.metrics import camera
from edged.metrics.camera import CameraMetrics
from edged.metrics.service import Broker
from edged.observations import Observation
from edged.settings import Settings
from edged.states import HealthState
from tests.metrics.asking import Page

WELL = HealthState(
    status="ok", reasons=[], at="", frames_per_second=14.8, capture_frames_per_second=15.0, latency_ms={}, stage_ms={},
    analysed_frames=100, dropped_frames=3, restarts={"capture": 0, "inference": 2}, missing_models=[], lost_events=1,
    waiting_events=4, oldest_event_seconds=None, temperature_celsius=None, throttled=None, throttled_since_boot=None,
    frames_per_second_limit=None, hooks={}, version="1",
)  # fmt: skip


@pytest.fixture
def metrics() -> CameraMetrics:
    return CameraMetrics(Settings.model_validate({"metrics": {"port": 0}}), lambda: Broker(connected=True, connects=2))


def page(metrics: CameraMetrics, path: str = "/metrics") -> Page:
    metrics._page = None
    answer = metrics.page(path)
    assert answer is not None
    return Page(answer.status, answer.body, {})


@pytest.mark.parametrize(
    ("status", "http"),
    [("ok", 200), ("starting", 200), ("no_camera", 503), ("stalled", 503), ("degraded", 503), ("paused", 503)],
)
def test_health_is_what_goes_to_mqtt_with_a_status_that_scripts_understand(
    metrics: CameraMetrics, status: Any, http: int
) -> None:
    state = msgspec.structs.replace(WELL, status=status)
    metrics.told(state, {})
    told = page(metrics, "/health")
    assert told.status == http
    assert json.loads(told.body) == msgspec.to_builtins(state)
    assert page(metrics).value("edged_health_status", status=status) == 1


def test_before_anything_is_known_it_is_starting(metrics: CameraMetrics) -> None:
    assert page(metrics, "/health").status == 200
    assert page(metrics).value("edged_health_status", status="ok") is None


def test_a_loop_that_hangs_is_said_whatever_it_said_last(
    metrics: CameraMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.told(WELL, {})
    later = time.monotonic() + camera.PATIENCE_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    told = page(metrics, "/health")
    assert told.status == 503
    assert json.loads(told.body)["status"] == "stalled"
    assert json.loads(told.body)["last"]["status"] == "ok"
    assert (page(metrics).value("edged_health_age_seconds") or 0) > camera.PATIENCE_SECONDS


def test_frames_and_stages_are_counted_in_seconds(metrics: CameraMetrics) -> None:
    metrics.observed(Observation(0, 1, 0.0, 0, 0, 64, 64, stage_ms={"detection": 4.0, "iris": 0.7}), 31.0)
    metrics.observed(Observation(0, 2, 0.0, 0, 0, 64, 64, stage_ms={"iris": 0.7}), 29.0)
    told = page(metrics)
    assert told.value("edged_frame_latency_seconds_count") == 2
    assert told.value("edged_frame_latency_seconds_sum") == pytest.approx(0.06)
    assert told.value("edged_frame_latency_seconds_bucket", le="0.03") == 1
    assert told.value("edged_stage_duration_seconds_count", stage="iris") == 2
    assert told.value("edged_stage_duration_seconds_bucket", stage="detection", le="0.0025") == 0
    assert told.value("edged_stage_duration_seconds_bucket", stage="detection", le="0.005") == 1


def test_events_and_verdicts_are_counted_and_nobody_is_named(metrics: CameraMetrics) -> None:
    metrics.happened({"kind": "identity", "person": "Anna Lovelace", "verdict": "known"})
    metrics.happened({"kind": "security", "person": "Anna Lovelace", "verdict": "wrong_user"})
    metrics.happened({"kind": "hook", "hook": "door", "data": {"said": "Anna Lovelace"}})
    told = page(metrics)
    assert told.value("edged_events_total", kind="identity") == 1
    assert told.value("edged_events_total", kind="blink") == 0
    assert told.value("edged_seat_verdicts_total", verdict="wrong_user") == 1
    assert "Anna" not in told.text
    assert "Lovelace" not in told.text


def test_what_cannot_be_read_here_is_left_out(metrics: CameraMetrics) -> None:
    metrics.told(WELL, {"capture": 2**22 + 1})
    told = page(metrics)
    assert told.value("edged_board_temperature_celsius") is None
    assert told.value("edged_board_throttled") is None
    assert told.value("edged_process_pss_bytes", process="capture") is None
    assert (told.value("edged_process_pss_bytes", process="daemon") or 0) > 1_000_000
    assert told.value("edged_outbox_oldest_seconds") == 0
    hot = msgspec.structs.replace(WELL, temperature_celsius=71.5, throttled=True, frames_per_second_limit=7.5)
    metrics.told(hot, {})
    told = page(metrics)
    assert told.value("edged_board_temperature_celsius") == 71.5
    assert told.value("edged_board_throttled") == 1
    assert told.value("edged_frame_rate_limit_hertz") == 7.5


def test_who_asks_all_the_time_gets_the_same_page_for_a_second(metrics: CameraMetrics) -> None:
    metrics.told(WELL, {})
    first = metrics.page("/metrics")
    metrics.happened({"kind": "blink"})
    assert metrics.page("/metrics") is first
    assert page(metrics).value("edged_events_total", kind="blink") == 1


def test_off_means_that_nobody_listens() -> None:
    off = CameraMetrics(
        Settings.model_validate({"metrics": {"enabled": False}}), lambda: Broker(connected=True, connects=1)
    )
    off.start()
    assert not off.enabled
    assert off.problem == ""
    off.stop()


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "::1", "0.0.0.0", "192.168.1.5"])
def test_an_address_is_taken(address: str) -> None:
    assert Settings.model_validate({"metrics": {"address": address}}).metrics.address


@pytest.mark.parametrize("address", ["", "broker.local", "127.0.0.1:9000", "http://127.0.0.1"])
def test_what_is_no_address_is_refused_with_what_would_be_one(address: str) -> None:
    with pytest.raises(ValueError, match="must be an IP address"):
        Settings.model_validate({"metrics": {"address": address}})
