"""Runs a private broker and the real daemon on the sitter, and hears what it publishes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edged.bus.message import CAPTURED_PROPERTY, Message
from edged.bus.private_broker import PrivateBroker, die_with_parent
from edged.bus.subscriber import Subscriber
from edged.capture.sitter import load_script
from edged.capture.sitter_script import Script
from edged.configuration.loading import PREFIX
from edged.daemon.vitals import percentile
from edged.demo.scoring import Score, Watched, score
from edged.errors import EdgedError
from edged.settings import MqttSettings, Settings

CAMERA = "sitter"
_STOP_SECONDS = 3.0
_LAST_WORDS_SECONDS = 0.5
_TURN_SECONDS = 0.05
_LONGEST_START_SECONDS = 60.0


@dataclass
class Heard:
    """All that came out of the broker. latencies_ms: capture to here, of events decided by a frame.

    counts: (monotonic seconds, frames analysed) of each health message.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    counts: list[tuple[float, int]] = field(default_factory=list)
    origin_ns: int | None = None
    ready_seconds: float | None = None

    def take(self, topic: str, payload: bytes, captured_ns: int | None, received_ns: int) -> None:
        """Take in one message; captured_ns: the capture stamp it carries, if any."""
        branch, _, name = topic.split("/", 3)[3].partition("/")
        if branch == "availability":
            return
        content = json.loads(payload)
        if branch == "event":
            self.events.append(content)
            if captured_ns is not None and content["frame"] >= 0:
                self.latencies_ms.append((received_ns - captured_ns) / 1e6)
                self.origin_ns = captured_ns - round(content["at_ms"] * 1e6)
        elif branch == "state":
            self.states[name] = content
        elif branch == "health":
            self.health = content
            self.counts.append((received_ns / 1e9, int(content["analysed_frames"])))
        elif branch == "summary":
            self.summary = content

    def frames_per_second(self) -> float:
        """Frames analysed between the first and the last health that told their number."""
        begun = [one for one in self.counts if one[1]]
        if len(begun) < 2 or begun[-1][0] <= begun[0][0]:
            return 0.0
        return (begun[-1][1] - begun[0][1]) / (begun[-1][0] - begun[0][0])

    def percentiles(self) -> dict[str, float | None]:
        """Capture to subscriber."""
        ordered = sorted(self.latencies_ms)
        if not ordered:
            return {"p50": None, "p95": None}
        return {"p50": round(percentile(ordered, 0.5), 2), "p95": round(percentile(ordered, 0.95), 2)}


class Stage:
    """The performance. Use it as a context manager; call `listen` until the time is up.

    Raises BrokerError when there is no mosquitto (see `find_mosquitto`), EdgedError when the daemon ends by itself.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.script: Script = load_script(settings.capture.source)
        self.heard = Heard()
        self._exits = contextlib.ExitStack()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log: Path | None = None
        self.broker: PrivateBroker | None = None
        self._subscriber: Subscriber | None = None
        self._begun_at = 0.0

    def __enter__(self) -> Stage:
        with contextlib.ExitStack() as exits:
            self.broker = exits.enter_context(PrivateBroker())
            mqtt = MqttSettings(host=self.broker.host, port=self.broker.port)
            self._subscriber = exits.enter_context(Subscriber(mqtt, [f"{mqtt.prefix}/camera/{CAMERA}/#"]))
            folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="edged-demo-")))
            self._log = folder / "daemon.log"
            self._daemon = self._start_daemon(mqtt, self._log)
            exits.callback(self._stop_daemon)
            self._exits = exits.pop_all()
        self._begun_at = time.monotonic()
        return self

    def __exit__(self, *_error: object) -> None:
        self._exits.close()

    def _start_daemon(self, mqtt: MqttSettings, log: Path) -> subprocess.Popen[bytes]:
        # Health every second is for the screen, and the port of metrics is left to real cameras; all else is as anybody runs it.
        settings = {
            "metrics.port": 0,
            **_differences(self.settings.model_dump(mode="json", exclude={"mqtt"}), Settings().model_dump(mode="json")),
            "camera": CAMERA,
            "health.interval_seconds": 1,
            "mqtt.host": mqtt.host,
            "mqtt.port": mqtt.port,
            "store.directory": str(log.parent),
        }
        options = [part for name, value in settings.items() for part in ("--set", f"{name}={_text(value)}")]
        with log.open("wb") as sink:
            return subprocess.Popen(
                [sys.executable, "-m", "edged", "run", *options],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                # Ctrl-C is for the demo, which ends the daemon in good order.
                start_new_session=True,
                # A demo that is killed leaves no daemon behind that goes on watching.
                preexec_fn=die_with_parent(os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - one system call, takes no lock
                env=_environment(os.environ),
            )

    def _stop_daemon(self) -> None:
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGTERM)
        try:
            self._daemon.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()

    def listen(self, seconds: float | None, on_turn: Callable[[], None] = lambda: None) -> None:
        """Hear the daemon for so long, counted from its first observation; None: until interrupted."""
        for message in self._messages(seconds):
            if message is not None:
                self._take(message)
            on_turn()

    def _take(self, message: Message) -> None:
        captured = message.user.get(CAPTURED_PROPERTY)
        self.heard.take(
            message.topic, message.payload, int(captured) if captured else None, message.received_monotonic_ns
        )

    def _hear_the_end(self) -> None:
        """End the daemon and listen to its last words: the health with the final figures, then `offline`."""
        assert self._subscriber is not None
        self._stop_daemon()
        for message in self._subscriber.messages(_LAST_WORDS_SECONDS):
            self._take(message)
            if message.payload == b"offline":
                return

    def _messages(self, seconds: float | None) -> Iterator[Message | None]:
        assert self._subscriber is not None
        deadline: float | None = None
        while deadline is None or time.monotonic() < deadline:
            if self._daemon is not None and self._daemon.poll() is not None:
                raise EdgedError(f"the daemon ended by itself: {self._last_words()}")
            if deadline is None and self.heard.health.get("analysed_frames"):
                now = time.monotonic()
                self.heard.ready_seconds = now - self._begun_at
                deadline = None if seconds is None else now + seconds
                if seconds is None:
                    deadline = float("inf")
            if deadline is None and time.monotonic() - self._begun_at > _LONGEST_START_SECONDS:
                raise EdgedError(f"the daemon analyses nothing: {self._last_words()}")
            yield self._subscriber.receive(_TURN_SECONDS)

    def _last_words(self) -> str:
        reasons = self.heard.health.get("reasons") or []
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log else []
        return str(reasons[0]) if reasons else lines[-1] if lines else "it said nothing"

    def stream_seconds(self) -> float | None:
        """Where the sitter is in its script now; None until the first event told."""
        if self.heard.origin_ns is None:
            return None
        return (time.monotonic_ns() - self.heard.origin_ns) / 1e9

    def watched(self) -> Watched:
        """The stretch of the script that was watched until now."""
        now = self.stream_seconds()
        if now is None:
            return Watched(0.0, 0.0)
        return Watched(max(0.0, now - self._watching_seconds()), now)

    def _watching_seconds(self) -> float:
        ready = self.heard.ready_seconds
        return 0.0 if ready is None else time.monotonic() - self._begun_at - ready

    def score(self) -> Score:
        """What was told against what happened, so far."""
        return score(
            self.script,
            self.heard.events,
            self.watched(),
            self.settings.judgement,
            self.settings.capture.frames_per_second,
        )

    def report(self) -> dict[str, Any]:
        """The demo's JSON. The performance ends with it."""
        heard, result = self.heard, self.score()
        self._hear_the_end()
        counts: dict[str, int] = {}
        for event in heard.events:
            counts[event["kind"]] = counts.get(event["kind"], 0) + 1
        frames = int(heard.health.get("analysed_frames", 0))
        report: dict[str, Any] = {
            "frames": frames,
            "fps": round(heard.frames_per_second(), 2),
            "events": counts,
            "truth": {"matched": result.matched, "missed": len(result.missed), "false": len(result.false)},
            "latency_ms": {
                "capture_to_subscriber": heard.percentiles(),
                "stages": heard.health.get("stage_ms", {}),
            },
            "restarts": sum(heard.health.get("restarts", {}).values()),
        }
        if result.missed or result.false:
            report["details"] = {
                "missed": [
                    {"kind": one.kind, "name": one.name, "first_frame": one.first_frame} for one in result.missed
                ],
                "false": result.false,
            }
        return report


def _differences(chosen: dict[str, Any], defaults: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted names of the settings that are not the default."""
    found: dict[str, Any] = {}
    for name, value in chosen.items():
        if isinstance(value, dict) and isinstance(defaults.get(name), dict) and defaults[name]:
            found |= _differences(value, defaults[name], f"{prefix}{name}.")
        elif value != defaults.get(name):
            found[f"{prefix}{name}"] = value
    return found


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Without EDGED_* settings: those that count came as options; a broker's, with its password, are not for this one."""
    return {name: value for name, value in ours.items() if not name.upper().startswith(PREFIX)} | {
        "PYTHONUNBUFFERED": "1"
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
