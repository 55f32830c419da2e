"""`edged command`: asks a daemon, and signs what has to be signed."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.bus.bus import Bus
from edged.bus.outbox import MemoryOutbox
from edged.daemon.trust import Trust
from edged.errors import SignatureRefused
from edged.keys import make_key
from edged.settings import MqttSettings, Settings
from edged.store.kept import KeptFile
from edged.topics import SIGNED_COMMANDS, Response
from tests.brokers import broker_here
from tests.cli.edged_command import edged


class Answerer:
    """A daemon's ear: answers what is asked, and says what it was."""

    def __init__(self, mqtt: MqttSettings, key: Path) -> None:
        settings = Settings.model_validate({"signing": {"key_file": str(key)}})
        self._trust = Trust(settings, KeptFile(None), time.time() - 60, time.monotonic() - 60)
        self._bus = Bus(mqtt, "front", MemoryOutbox())
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __enter__(self) -> Answerer:
        self._bus.start()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ends.set()
        self._thread.join()
        self._bus.stop(1.0)

    def _serve(self) -> None:
        while not self._ends.wait(0.02):
            for request in self._bus.requests():
                answer = Response("ok", request.name, request.command.transaction)
                if request.name in SIGNED_COMMANDS:
                    try:
                        command = self._trust.check(request.name, request.signed or {}, time.time(), time.monotonic())
                        self.asked.append((request.name, command.options))
                        answer = Response("ok", request.name, command.transaction, data={"got": command.options})
                    except SignatureRefused as error:
                        answer = Response("error", request.name, error=str(error))
                else:
                    self.asked.append((request.name, {}))
                self._bus.respond(request, answer)


@pytest.fixture
def mqtt() -> Iterator[MqttSettings]:
    broker = broker_here()
    with broker:
        yield MqttSettings(host=broker.host, port=broker.port, reconnect_max_seconds=0.5)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "command.key")
    return tmp_path / "command.key"


def run(mqtt: MqttSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return edged("command", *arguments, "--host", mqtt.host, "--port", str(mqtt.port))


def test_a_signed_command_is_taken_and_its_answer_printed(mqtt: MqttSettings, key: Path) -> None:
    with Answerer(mqtt, key) as daemon:
        done = run(mqtt, "enroll", "name=Béla", "seconds=2", "--key", str(key))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"got": {"name": "Béla", "seconds": 2}}
        released = run(mqtt, "release", "--key", str(key))
        assert (released.returncode, released.stdout.strip()) == (0, '{\n  "got": {}\n}')
        assert run(mqtt, "pause").stdout.strip() == "done"
        assert daemon.asked == [("enroll", {"name": "Béla", "seconds": 2}), ("release", {}), ("pause", {})]


def test_another_key_is_refused_with_the_reason(mqtt: MqttSettings, key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    make_key(other)
    with Answerer(mqtt, key) as daemon:
        done = run(mqtt, "release", "--key", str(other))
        assert done.returncode == 1
        assert "signed with another key" in done.stderr
        assert key.read_text(encoding="ascii").strip() not in done.stderr
        assert daemon.asked == []


def test_where_nobody_answers_it_says_so(mqtt: MqttSettings, key: Path) -> None:
    done = run(mqtt, "release", "--key", str(key), "--timeout", "0.3")
    assert done.returncode == 5
    assert "no answer from the camera 'front'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["releese"], "is no command"),
        (["release"], "there is no key (give --key FILE)"),
        (["enroll", "Anna", "--key", "x"], "has no name and value"),
        (["release", "--key", "/nowhere/key"], "cannot be read"),
        (["release", "--key", "/nowhere/key", "--port", "1"], "cannot be read"),  # before a broker is looked for
        (["release", "--camera", "Front Door"], "is no name of a camera"),
    ],
)
def test_what_is_wrong_is_said_with_its_cure(mqtt: MqttSettings, arguments: list[str], said: str) -> None:
    done = run(mqtt, *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
