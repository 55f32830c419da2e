"""What Home Assistant is connected to: a mosquitto of our own, the real daemon on the drawn sitter, and an ear."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from edged.bus.message import Message
from edged.bus.private_broker import PrivateBroker, die_with_parent
from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings

ROOT = Path(__file__).resolve().parents[2]
CAMERA = "rig"
BRANCH = f"edged/camera/{CAMERA}/"
NODE = f"edged_{CAMERA}"
KEEPALIVE_SECONDS = 5
_STOP_SECONDS = 15.0


class Stage:
    """Broker, daemon and everything that was said."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        """folder: for logs and the daemon's memory. options: settings of the daemon, by dotted path."""
        self.folder = folder
        self.options = options
        self.broker = PrivateBroker()
        self.heard: list[Message] = []
        self.retained: dict[str, bytes] = {}
        self._daemon: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._ear: Subscriber | None = None
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)

    def __enter__(self) -> Stage:
        self.broker.start()
        mqtt = MqttSettings(host=self.broker.host, port=self.broker.port, reconnect_max_seconds=1.0)
        self._ear = Subscriber(mqtt, [BRANCH + "#", "homeassistant/#"])
        self._ear.start()
        self._ear.wait_ready(10.0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.kill()
            self._daemon.wait()
        if self._ear is not None:
            self._ear.stop(0.5)
        self.broker.stop()

    def _listen(self) -> None:
        assert self._ear is not None
        while not self._ending.is_set():
            message = self._ear.receive(0.1)
            if message is not None:
                self.heard.append(message)
                self.retained[message.topic] = message.payload

    # -- the daemon ---------------------------------------------------------------------------------------------

    def start_daemon(self, **more: Any) -> None:
        """Start it; more: settings for this time, by dotted path with `__` for the dot."""
        options = {
            "camera": CAMERA, "capture.source": "sitter:", "capture.width": 320, "capture.height": 240,
            "mqtt.host": self.broker.host, "mqtt.port": self.broker.port,
            "mqtt.keepalive_seconds": KEEPALIVE_SECONDS, "mqtt.reconnect_max_seconds": 1,
            "store.directory": str(self.folder / "state"), "snapshot.enabled": True, **self.options,
            **{name.replace("__", "."): value for name, value in more.items()},
        }  # fmt: skip
        chosen = [
            part
            for name, value in options.items()
            for part in ("--set", f"{name}={json.dumps(value) if isinstance(value, bool) else value}")
        ]
        with (self.folder / "daemon.log").open("ab") as sink:
            self._daemon = subprocess.Popen(
                [sys.executable, "-m", "edged", "run", *chosen],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
                preexec_fn=die_with_parent(os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - one system call, takes no lock
            )  # fmt: skip

    def stop_daemon(self) -> None:
        """End it in good order."""
        assert self._daemon is not None
        self._daemon.terminate()
        self._daemon.wait(_STOP_SECONDS)

    def kill_daemon(self) -> None:
        """SIGKILL: no farewell."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait()

    def freeze_daemon(self) -> None:
        """SIGSTOP: its connection stays open and it says nothing."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP)

    def thaw_daemon(self) -> None:
        """SIGCONT."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGCONT)

    def freeze_capture(self) -> None:
        """SIGSTOP for whatever process holds the camera now."""
        assert self._daemon is not None
        children = Path(f"/proc/{self._daemon.pid}/task/{self._daemon.pid}/children").read_text(encoding="ascii")
        for pid in children.split():
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"capture" in title.split(b"\0")[0]:
                    os.kill(int(pid), signal.SIGSTOP)
            except OSError:
                pass  # it has just been replaced

    def forget(self) -> None:
        """The broker dies and comes back without anything."""
        self.broker.kill()
        self.retained.clear()
        time.sleep(0.5)
        self.broker.start()

    # -- what was said ------------------------------------------------------------------------------------------

    def told(self, leaf: str) -> Any:
        """The newest payload below the camera's branch, from JSON where it is; None if there was none."""
        body = self.retained.get(BRANCH + leaf)
        if not body:
            return None
        return json.loads(body) if body[:1] in b"{[" else body.decode()

    def components(self) -> dict[str, dict[str, Any]]:
        """What Home Assistant is told now, by either way of discovery: key → component with its platform."""
        device = self.retained.get(f"homeassistant/device/{NODE}/config")
        if device:
            found: dict[str, dict[str, Any]] = json.loads(device).get("components", {})
            # A removal is a platform and nothing else.
            return {key: one for key, one in found.items() if len(one) > 1}
        single: dict[str, dict[str, Any]] = {}
        for topic, body in list(self.retained.items()):
            levels = topic.split("/")
            if body and len(levels) == 5 and levels[0] == "homeassistant" and levels[2] == NODE:
                single[levels[3]] = {"platform": levels[1], **json.loads(body)}
        return single

    def entities(self) -> dict[str, dict[str, Any]]:
        """The components that become entities."""
        return {key: one for key, one in self.components().items() if one["platform"] != "device_automation"}

    def triggers(self) -> set[tuple[str, str]]:
        """Type and subtype of the components that become device triggers."""
        return {
            (one["type"], one["subtype"]) for one in self.components().values()
            if one["platform"] == "device_automation"
        }  # fmt: skip

    def occurred(self, kind: str, since: int = 0) -> list[dict[str, Any]]:
        """Events of one kind that were heard after the first so many messages."""
        return [json.loads(message.payload) for message in self.heard[since:]
                if message.topic == f"{BRANCH}event/{kind}"]  # fmt: skip
