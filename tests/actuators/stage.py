"""A private broker, a toy actuator in a process of its own, somebody who asks, and somebody who listens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from edged import contract
from edged.actuators.asking import encoded, make_request
from edged.actuators.sensitive import Text
from edged.bus.message import Message
from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.jobs import FINAL
from edged.keys import make_key, read_key
from edged.settings import MqttSettings
from edged.topics import ACTUATOR_TOPICS, actuator_topic

ROOT = Path(__file__).resolve().parents[2]
# The actuator itself must not say what the contract does not name.
_VALIDATORS = {
    name: Draft202012Validator(
        {**schema, "additionalProperties": False}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    for name, schema in contract.actuator_schemas().items()
}


def check(message: Message) -> None:
    """What an actuator says keeps to the contract: payload, QoS and retain flag."""
    leaf = message.topic.split("/actuator/", 1)[1].split("/")[1]
    row = ACTUATOR_TOPICS[leaf]
    if row.direction == "in":
        return
    assert message.qos == row.qos, message
    if message.retain:
        assert row.retain, message
    if leaf == "availability":
        assert message.payload in (b"online", b"offline")
    else:
        _VALIDATORS[f"actuator-{leaf}"].validate(json.loads(message.payload))


class Stage:
    """One broker, one actuator (more with `start(name)`), one listener that is never away."""

    def __init__(self, folder: Path, broker: PrivateBroker, name: str = "toy") -> None:
        self.folder = folder
        self.broker = broker
        self.name = name
        self.key_file = folder / "toy.key"
        if not self.key_file.exists():
            make_key(self.key_file)
        self.key: bytes | None = read_key(self.key_file)
        self.trace_file = folder / "trace"
        self.log_file = folder / "log"
        self.settings: dict[str, Any] = {
            "kind": "toy",
            "toy.trace": str(self.trace_file),
            "toy.problem": str(folder / "problem"),
            "mqtt.host": broker.host,
            "mqtt.port": broker.port,
            "mqtt.reconnect_max_seconds": 0.5,
            "mqtt.keepalive_seconds": 5,
            "signing.key_file": str(self.key_file),
            "store.directory": str(folder / "state"),
            "store.batch_seconds": 0.1,
            "health_seconds": 1,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self.heard: list[tuple[str, Any]] = []
        self.listener = Subscriber(
            MqttSettings(host=broker.host, port=broker.port, reconnect_max_seconds=0.5),
            ["edged/actuator/#"],
            client_id=f"listener-{name}",
            session_expiry_seconds=3600,
        )

    # -- the actuator -------------------------------------------------------------------------------------------

    def start(
        self, name: str | None = None, *, wait: bool = True, config: Path | None = None, **changes: Any
    ) -> subprocess.Popen[bytes]:
        """Start it; changes of settings have `__` for dots. wait: until it says that it is online."""
        chosen = self.settings | {key.replace("__", "."): value for key, value in changes.items()}
        parts = [
            each
            for key, value in chosen.items()
            for each in ("--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        ]
        if config is not None:
            parts = ["-c", str(config), *parts]
        already = len(self.all("health"))
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "tests.actuators.toy", "actuator", "run", name or self.name, *parts],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._started.append(process)
        if name is None:
            self.process = process
        if wait:
            self.until(lambda: len(self.all("health")) > already and self.online())
        return process

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Tell it to end; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def trace(self) -> list[str]:
        return self.trace_file.read_text(encoding="utf-8").splitlines() if self.trace_file.exists() else []

    def done(self, job_id: str) -> int:
        """How often it was done."""
        return self.trace().count(f"done {job_id}")

    # -- asking -------------------------------------------------------------------------------------------------

    def request(
        self, action: str, text: str | None = None, *, sensitive: bool = False, life_seconds: float = 60.0,
        job_id: str | None = None, age_seconds: float = 0.0, **options: Any,
    ) -> dict[str, Any]:  # fmt: skip
        words = None if text is None else Text(text, sensitive=sensitive)
        return make_request(
            self.name, action, now=time.time() - age_seconds, life_seconds=life_seconds, text=words, options=options,
            key=self.key, job_id=job_id,
        )  # fmt: skip

    def send(self, request: Mapping[str, Any] | bytes, *, retain: bool = False) -> None:
        payload = request if isinstance(request, bytes) else encoded(request)
        self.listener.publish(actuator_topic("edged", self.name, "request"), payload, retain=retain)

    def ask(self, action: str, text: str | None = None, **more: Any) -> str:
        """Sign and send; the id."""
        request = self.request(action, text, **more)
        self.send(request)
        return str(request["id"])

    def publish(self, topic: str, payload: Mapping[str, Any] | bytes, *, retain: bool = False) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.listener.publish(topic, body, retain=retain)

    # -- listening ----------------------------------------------------------------------------------------------

    def hear(self, seconds: float = 0.05) -> None:
        message = self.listener.receive(seconds)
        while message is not None:
            check(message)
            leaf = message.topic.removeprefix("edged/actuator/")
            if not leaf.endswith("/request"):
                text = message.payload.decode()
                self.heard.append((leaf, json.loads(text) if text.startswith("{") else text))
            message = self.listener.receive(0)

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Listen until the condition holds, and return what it found."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"it did not happen; heard {str(self.heard[-12:])[-3000:]}; log:\n{self.log()[-4000:]}"
                )
            self.hear()
        return found

    def all(self, leaf: str, name: str | None = None) -> list[Any]:
        return [payload for heard, payload in self.heard if heard == f"{name or self.name}/{leaf}"]

    def heard_jobs(self) -> list[tuple[str, dict[str, Any]]]:
        """What has been told of jobs until now, by topic."""
        self.hear(0.5)
        return [(leaf, payload) for leaf, payload in self.heard if leaf.startswith(f"{self.name}/job/")]

    def online(self) -> bool:
        return self.all("availability")[-1:] == ["online"]

    def health(self) -> dict[str, Any]:
        return dict(self.all("health")[-1])

    def told(self, job_id: str) -> list[dict[str, Any]]:
        return self.all(f"job/{job_id}")

    def states(self, job_id: str) -> list[str]:
        """The states that were told, repetitions left out."""
        found: list[str] = []
        for each in self.told(job_id):
            if found[-1:] != [each["state"]]:
                found.append(each["state"])
        return found

    def reaches(self, job_id: str, state: str) -> dict[str, Any]:
        """Wait until a state is told; what was told."""
        return dict(self.until(lambda: next((each for each in self.told(job_id) if each["state"] == state), None)))

    def ends(self, job_id: str) -> dict[str, Any]:
        """Wait until a job is told its end; what was told."""
        return dict(self.until(lambda: next((each for each in self.told(job_id) if each["state"] in FINAL), None)))

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        self.listener.stop(0.5)


def database_bytes(folder: Path) -> bytes:
    """Every byte that is kept, write-ahead logs and all."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def environment(**more: str) -> dict[str, str]:
    """Of a child: wide output without colours."""
    return {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **more}
