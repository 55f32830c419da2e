"""A private mosquitto, a puppet daemon in its own process, and somebody who listens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.bus.message import Message
from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings
from tests.brokers import broker_here
from tests.bus.listening import check

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "edged/camera/front/"


class Theatre:
    """One broker, one daemon, one listener."""

    def __init__(self, folder: Path, broker: PrivateBroker) -> None:
        self.folder = folder
        self.broker = broker
        self.strings = folder / "strings"
        self.strings.mkdir()
        self.settings_file = folder / "settings.json"
        self.log_file = folder / "log"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.heard: list[tuple[str, Any]] = []
        self._listener: Subscriber | None = None
        self.configure()

    def configure(self, **more: Any) -> None:
        settings: dict[str, Any] = {
            "capture": {"source": str(self.strings), "width": 64, "height": 64},
            "mqtt": {"host": self.broker.host, "port": self.broker.port, "reconnect_max_seconds": 0.5},
            "health": {"interval_seconds": 1.0},
            "metrics": {"port": 0},
            "remote": {"probation_seconds": 2},
            "judgement": {"presence": {"arrive_seconds": 0.1, "leave_seconds": 0.4}, "summary": {"window_seconds": 1}},
        }
        settings.update(more)
        self.settings_file.write_text(json.dumps(settings), encoding="utf-8")

    def pull(self, name: str, value: str) -> None:
        """Move a puppet."""
        partial = self.strings / f".{name}"
        partial.write_text(value, encoding="utf-8")
        partial.rename(self.strings / name)

    def start(self) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "tests.daemon.puppet_daemon", str(self.settings_file)],
                cwd=ROOT, stderr=log, stdout=log,
            )  # fmt: skip
        return self.daemon

    def listen(self) -> None:
        self._listener = Subscriber(
            MqttSettings(host=self.broker.host, port=self.broker.port, reconnect_max_seconds=0.5), [PREFIX + "#"]
        )
        self._listener.start()

    def listening(self) -> bool:
        """The broker has let the listener in."""
        return self._listener is not None and self._listener.connected

    def ask(self, command: str, payload: bytes = b"") -> None:
        assert self._listener is not None
        self._listener.publish(f"{PREFIX}command/{command}", payload)

    def publish(self, topic: str, payload: bytes | dict[str, Any], *, retain: bool = False, **more: Any) -> None:
        """On the camera's branch; a dict goes as JSON."""
        assert self._listener is not None
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._listener.publish(PREFIX + topic, body, retain=retain, **more)

    def hear(self, seconds: float = 0.05) -> None:
        assert self._listener is not None
        message = self._listener.receive(seconds)
        while message is not None:
            check(message)
            self.heard.append((message.topic.removeprefix(PREFIX), _read(message)))
            message = self._listener.receive(0)

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Listen until the condition holds, and return what it found."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not happen; heard {self.heard[-12:]}; log:\n{self.log()}")
            self.hear()
        return found

    def last(self, topic: str) -> Any:
        return next((payload for heard, payload in reversed(self.heard) if heard == topic), None)

    def all(self, topic: str) -> list[Any]:
        return [payload for heard, payload in self.heard if heard == topic]

    def status(self) -> str:
        return str((self.last("health") or {}).get("status"))

    def wait_for(self, status: str) -> dict[str, Any]:
        self.until(lambda: self.status() == status)
        health: dict[str, Any] = self.last("health")
        return health

    def bring_the_broker_back(self) -> None:
        """It tells only who listens, for it has no memory: so the daemon must not be back before the listener."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGSTOP)
        self.broker.start()
        self.until(self.listening)
        self.daemon.send_signal(signal.SIGCONT)

    def children(self) -> dict[str, int]:
        """Name to process id, as ps would show them."""
        assert self.daemon is not None
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                title = (path / "cmdline").read_bytes().rstrip(b"\0 ").decode()
            except (OSError, ValueError):
                continue
            if parent == self.daemon.pid and title.startswith("edged[front] "):
                found[title.removeprefix("edged[front] ")] = int(path.name)
        return found

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def close(self) -> None:
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(5)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        if self._listener is not None:
            self._listener.stop(0.5)
        self.broker.stop()


def _read(message: Message) -> Any:
    if message.topic.startswith(PREFIX + "snapshot"):
        return message.payload
    try:
        text = message.payload.decode()
        return json.loads(text) if text.startswith("{") else text
    except ValueError:
        return message.payload  # rubbish, of a test's own making: what the daemon says was checked


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Theatre]:
    """A broker and everything for a daemon; nothing of it runs but the broker."""
    broker = broker_here()
    broker.start()
    theatre = Theatre(tmp_path, broker)
    theatre.listen()
    try:
        yield theatre
    finally:
        theatre.close()


@pytest.fixture
def theatre(stage: Theatre) -> Theatre:
    """The same with a daemon that is well."""
    stage.start()
    stage.wait_for("ok")
    return stage


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
