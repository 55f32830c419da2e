"""`edged run` with its real children on the sitter: what is killed or stopped comes back, and all ends in order."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.bus.private_broker import PrivateBroker
from edged.errors import BrokerError, EdgedError
from edged.inference.models import ModelStore, default_directory
from edged.settings import ModelSettings
from tests.daemon.conftest import ROOT, Theatre, alive


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Theatre]:
    """The real daemon on the sitter."""
    store = ModelStore(default_directory(ModelSettings()))
    try:
        store.path("face_landmark")
        broker = PrivateBroker()
    except (EdgedError, BrokerError) as error:
        pytest.skip(str(error))
    broker.start()
    theatre = Theatre(tmp_path, broker)
    theatre.listen()
    with theatre.log_file.open("ab") as log:
        theatre.daemon = subprocess.Popen(
            [
                sys.executable, "-m", "edged", "run", "--source", "sitter:", "--mqtt-host", broker.host,
                "--mqtt-port", str(broker.port), "--set", "health.interval_seconds=1",
            ],
            cwd=ROOT, stderr=log,
        )  # fmt: skip
    try:
        theatre.wait_for("ok")
        yield theatre
    finally:
        theatre.close()


def test_real_children_are_replaced_and_all_ends_in_order(whole: Theatre) -> None:
    assert whole.daemon is not None
    for name, number in (
        ("capture", signal.SIGKILL),
        ("inference", signal.SIGKILL),
        ("capture", signal.SIGSTOP),
        ("inference", signal.SIGSTOP),
    ):
        before = whole.until(lambda: len(found := whole.children()) == 2 and found)
        # Pictures and keys are in their memory, and must not be in a core dump.
        for pid in (whole.daemon.pid, *before.values()):
            assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        restarts = whole.last("health")["restarts"][name]
        began = time.monotonic()
        os.kill(before[name], number)
        whole.until(lambda name=name, old=before[name]: whole.children().get(name, old) != old)  # type: ignore[misc]
        assert time.monotonic() - began < 3.0
        whole.until(
            lambda name=name, restarts=restarts: (
                whole.last("health")["restarts"][name] == restarts + 1  # type: ignore[misc]
                and whole.status() == "ok"
            )
        )
        assert whole.last("event/health")
    causes = [event["cause"] for event in whole.all("event/health") if event["process"]]
    assert causes == ["process_died", "process_died", "process_hung", "process_hung"]
    whole.until(lambda: (whole.last("state/presence") or {}).get("someone"), seconds=60)

    children = whole.children()
    began = time.monotonic()
    whole.daemon.send_signal(signal.SIGTERM)
    assert whole.daemon.wait(10) == 0
    assert time.monotonic() - began < 2.0
    whole.until(lambda: whole.last("availability") == "offline")
    assert not any(alive(pid) for pid in children.values())
    assert "Traceback" not in whole.log()


def test_pause_gives_the_camera_back_and_resume_takes_it(whole: Theatre) -> None:
    whole.ask("pause")
    whole.wait_for("paused")
    whole.until(lambda: whole.last("health")["frames_per_second"] == 0, seconds=30)
    whole.ask("resume")
    whole.wait_for("ok")
    assert whole.last("health")["restarts"] == {"capture": 0, "inference": 0}
    assert not any(event["status"] in ("stalled", "no_camera") for event in whole.all("event/health"))
