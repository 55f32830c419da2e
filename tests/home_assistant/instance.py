"""A running Home Assistant: a real `hass` process, asked over its own REST and websocket API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from edged.bus.private_broker import die_with_parent
from tests.home_assistant.installation import Installation

HOST = "127.0.0.1"
START_SECONDS = 180.0
STOP_SECONDS = 60.0
_ANSWER_SECONDS = 30.0
_LINE = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) \([^)]*\) \[([^\]]+)\] ?(.*)$")


class InstanceError(Exception):
    """Home Assistant did not come up, or refused what was asked."""


class Instance:
    """One configuration folder and, between `start` and `stop`, the process on it."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        """folder: a new configuration folder; inside the root, if the installation has one."""
        self.installation = installation
        self.folder = folder
        self.port = _free_port()
        self.log = folder / "said.log"
        self._token_id, self._token_key = secrets.token_hex(16), secrets.token_hex(64)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: ClientConnection | None = None
        self._reader: threading.Thread | None = None
        self._change = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._events: dict[int, list[dict[str, Any]]] = {}
        self._number = 0
        self._write()

    def _write(self) -> None:
        """A configuration with nothing but what we look at, an owner, and a token of ours."""
        stored = self.folder / ".storage"
        stored.mkdir(parents=True)
        (self.folder / "configuration.yaml").write_text(
            "homeassistant:\n  name: rig\n  time_zone: UTC\n  unit_system: metric\n  latitude: 0\n  longitude: 0\n"
            "  elevation: 0\n  country: CH\n  currency: CHF\n"
            f"http:\n  server_host: {HOST}\n  server_port: {self.port}\n"
            "api:\nwebsocket_api:\nconfig:\nlogger:\n  default: warning\n",
            encoding="utf-8",
        )
        user = secrets.token_hex(16)
        token = {
            "id": self._token_id, "user_id": user, "client_id": None, "client_name": "rig", "client_icon": None,
            "token_type": "long_lived_access_token", "created_at": "2026-01-01T00:00:00+00:00",
            "access_token_expiration": 315360000.0, "token": secrets.token_hex(64), "jwt_key": self._token_key,
            "last_used_at": None, "last_used_ip": None, "credential_id": None, "version": None, "expire_at": None,
        }  # fmt: skip
        owner = {
            "id": user, "group_ids": ["system-admin"], "is_owner": True, "is_active": True, "name": "rig",
            "system_generated": False, "local_only": False,
        }  # fmt: skip
        groups = [
            {"id": "system-admin", "name": "Administrators"},
            {"id": "system-users", "name": "Users"},
            {"id": "system-read-only", "name": "Read Only"},
        ]
        auth = {"users": [owner], "groups": groups, "credentials": [], "refresh_tokens": [token]}
        for name, version, data in (
            ("auth", 1, auth),
            ("onboarding", 4, {"done": ["user", "core_config", "analytics", "integration"]}),
        ):
            document = {"version": version, "minor_version": 1, "key": name, "data": data}
            (stored / name).write_text(json.dumps(document), encoding="utf-8")

    # -- the process --------------------------------------------------------------------------------------------

    def start(self) -> float:
        """Start and wait until everything is set up; the seconds that took."""
        began = time.monotonic()
        command = self.installation.command(
            "-m", "homeassistant", "--skip-pip", "--config", self.installation.path(self.folder)
        )
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
                preexec_fn=die_with_parent(os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - one system call, takes no lock
            )  # fmt: skip
        while True:
            if self._process.poll() is not None:
                raise InstanceError("Home Assistant ended at once:\n" + "\n".join(self._lines()[-8:]))
            try:
                if self.rest("GET", "/api/config")["state"] == "RUNNING":
                    break
            except (OSError, InstanceError):
                pass
            if time.monotonic() - began > START_SECONDS:
                raise InstanceError("Home Assistant did not come up:\n" + "\n".join(self._lines()[-8:]))
            time.sleep(0.2)
        self._connect()
        return time.monotonic() - began

    def stop(self) -> None:
        """End it in good order, so that it writes down what it knows."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._reader is not None:
            self._reader.join()
            self._reader = None
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # -- what it says -------------------------------------------------------------------------------------------

    def _lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []

    def mark(self) -> int:
        """A place in the log, for `complaints`."""
        return len(self._lines())

    def complaints(self, since: int, words: tuple[str, ...]) -> list[str]:
        """Warnings and errors since a mark in which one of the words occurs, their later lines included."""
        found: list[list[str]] = []
        for line in self._lines()[since:]:
            parts = _LINE.match(line)
            if parts is not None and parts[1] in ("WARNING", "ERROR", "CRITICAL"):
                found.append([f"{parts[1]} {parts[2]}: {parts[3]}"])
            elif parts is None and found:
                found[-1].append(line)
        texts = ["\n".join(each) for each in found]
        return [text for text in texts if any(word in text.lower() for word in words)]

    # -- REST ---------------------------------------------------------------------------------------------------

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """Ask; the answer from JSON. Raises InstanceError with what it said, OSError while it is not there."""
        content, kind = self._fetch(method, path, body)
        return json.loads(content) if "json" in kind else content

    def _fetch(self, method: str, path: str, body: Any) -> tuple[bytes, str]:
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - an address of this machine
                return answer.read(), answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            raise InstanceError(
                f"{method} {path}: {error.code} {error.read()[:500].decode(errors='replace')}"
            ) from None

    def _token(self) -> str:
        """A JSON web token (RFC 7519) of the long-lived token in the storage."""
        now = int(time.time())
        head = _base64url(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = _base64url(json.dumps({"iss": self._token_id, "iat": now, "exp": now + 86400}).encode())
        sign = hmac.new(self._token_key.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
        return f"{head}.{body}.{_base64url(sign)}"

    # -- websocket ----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._socket = connect(f"ws://{HOST}:{self.port}/api/websocket", max_size=None)
        json.loads(self._socket.recv())
        self._socket.send(json.dumps({"type": "auth", "access_token": self._token()}))
        answer = json.loads(self._socket.recv())
        if answer["type"] != "auth_ok":
            raise InstanceError(f"the websocket refuses our token: {answer}")
        self._events.clear()
        self._reader = threading.Thread(target=self._read, args=(self._socket,), name="home assistant", daemon=True)
        self._reader.start()

    def _read(self, connection: ClientConnection) -> None:
        for text in connection:
            message = json.loads(text)
            with self._change:
                if message["type"] == "event":
                    self._events.setdefault(message["id"], []).append(message["event"])
                else:
                    self._answers[message["id"]] = message
                self._change.notify_all()

    def ask(self, kind: str, **fields: Any) -> Any:
        """A command of the websocket API and its result. Raises InstanceError with the reason of a refusal."""
        return self._ask(kind, fields)[1]

    def _ask(self, kind: str, fields: dict[str, Any]) -> tuple[int, Any]:
        if self._socket is None:
            raise InstanceError("Home Assistant does not run")
        with self._change:
            self._number += 1
            number = self._number
        self._socket.send(json.dumps({"id": number, "type": kind, **fields}))
        with self._change:
            if not self._change.wait_for(lambda: number in self._answers, _ANSWER_SECONDS):
                raise InstanceError(f"no answer to {kind}")
            answer = self._answers.pop(number)
        if not answer["success"]:
            raise InstanceError(f"{kind}: {answer['error']['code']}: {answer['error']['message']}")
        return number, answer["result"]

    def subscribe(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """A command that goes on answering; the list grows with what comes."""
        number, _ = self._ask(kind, fields)
        return self._events.setdefault(number, [])

    def call(self, service: str, entity_id: str, **data: Any) -> None:
        """Call a service on an entity, as a tap on the dashboard does."""
        domain, name = service.split(".")
        self.ask("call_service", domain=domain, service=name, service_data=data, target={"entity_id": entity_id})

    def states(self) -> dict[str, dict[str, Any]]:
        """Entity id → state, attributes and the rest."""
        return {state["entity_id"]: state for state in self.ask("get_states")}

    def registered(self) -> dict[str, dict[str, Any]]:
        """Unique id → entry of the entity registry, of everything that came over MQTT."""
        entries = self.ask("config/entity_registry/list")
        # The list is a short form without the unique id in some versions; the full entry has it in all.
        ours = [entry["entity_id"] for entry in entries if entry["platform"] == "mqtt"]
        full = []
        for entity_id in ours:
            try:
                full.append(self.ask("config/entity_registry/get", entity_id=entity_id))
            except InstanceError as error:
                if "not_found" not in str(error):  # it has just been removed
                    raise
        return {entry["unique_id"]: entry for entry in full}

    def devices(self) -> list[dict[str, Any]]:
        """Devices that came over MQTT."""
        return [device for device in self.ask("config/device_registry/list")
                if any(identifier[0] == "mqtt" for identifier in device["identifiers"])]  # fmt: skip

    def add_broker(self, host: str, port: int) -> str:
        """Set the MQTT integration up through its own dialogue; the id of its entry."""
        step = self.rest("POST", "/api/config/config_entries/flow", {"handler": "mqtt", "show_advanced_options": False})
        done = self.rest("POST", f"/api/config/config_entries/flow/{step['flow_id']}", {"broker": host, "port": port})
        if done.get("type") != "create_entry":
            raise InstanceError(f"the MQTT integration was not set up: {done}")
        result = done["result"]
        return str(result["entry_id"] if isinstance(result, dict) else result)


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
