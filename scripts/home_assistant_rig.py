"""An installed, running Home Assistant, for scripts/home-assistant."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edged.bus.private_broker import PrivateBroker

_NEWEST_PYTHONS = ("python3.14", "python3.13")
_PORT = 18123


class HomeAssistant:
    """An installed Home Assistant: where it is, and how it is run."""

    def __init__(self, work: Path, python: str = "") -> None:
        self.work = work
        self.python = python
        self.prefix: list[str] = []
        self.inside = work
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""

    def install(self) -> str:
        """Bring it onto this machine; returns its version."""
        python = self.python or next((name for name in _NEWEST_PYTHONS if _serves(name)), None)
        root = self.work / "root"
        if python is None and os.geteuid() == 0 and (root.exists() or shutil.which("debootstrap")):
            if not (root / "ha/bin/hass").exists():
                self._build_root(root)
            self.prefix, self.inside = ["chroot", str(root)], root
            _run(["mount", "--bind", "/proc", str(root / "proc")], check=False)
            _run(["mount", "--bind", "/dev", str(root / "dev")], check=False)
        elif not (self.work / "ha/bin/hass").exists():
            _run([python or sys.executable, "-m", "venv", str(self.work / "ha")])
            _run([str(self.work / "ha/bin/pip"), "install", "-q", "homeassistant", "paho-mqtt"])
        self._install_requirements()
        shutil.rmtree(self.inside / "config", ignore_errors=True)
        (self.inside / "config/.storage").mkdir(parents=True)
        found = subprocess.run(
            [*self.prefix, self._program("hass"), "--version"], capture_output=True, text=True, check=True
        )
        return found.stdout.strip()

    def _install_requirements(self) -> None:
        """What the integrations we use need, by their manifests: Home Assistant itself would ask another index."""
        marker = self.inside / "ha/requirements.txt"
        if marker.exists():
            return
        (components,) = (self.inside / "ha/lib").glob("python3*/site-packages/homeassistant/components")
        waiting = ["frontend", "mqtt", "api", "websocket_api", "recovery_mode", "backup", "recorder", "stream"]
        seen, needed = set(), set()
        while waiting:
            name = waiting.pop()
            manifest = components / name / "manifest.json"
            if name in seen or not manifest.exists():
                continue
            seen.add(name)
            read = json.loads(manifest.read_text(encoding="utf-8"))
            needed.update(read.get("requirements", []))
            waiting += read.get("dependencies", [])
        # Versions for old Pythons do not say that they need an old josepy.
        _run([*self.prefix, self._program("python"), "-m", "pip", "install", "-q", *sorted(needed),
              *(["josepy<2"] if self.python else [])])  # fmt: skip
        marker.write_text("\n".join(sorted(needed)), encoding="utf-8")

    def _build_root(self, root: Path) -> None:
        _run(["debootstrap", "--variant=minbase", "--include=ca-certificates,python3-venv", "trixie", str(root)])
        for name in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
            shutil.copyfile(name, root / name[1:])
        _run(["chroot", str(root), "apt-get", "install", "-y", "-qq", "python3-dev", "gcc", "g++", "libffi-dev"])
        _run(["chroot", str(root), "python3", "-m", "venv", "/ha"])
        _run(["chroot", str(root), "/ha/bin/pip", "install", "-q", "homeassistant", "paho-mqtt"])

    def _program(self, name: str) -> str:
        return f"/ha/bin/{name}" if self.prefix else str(self.work / "ha/bin" / name)

    @property
    def folder(self) -> str:
        """The configuration folder as Home Assistant sees it."""
        return "/config" if self.prefix else str(self.work / "config")

    def configure(self, broker: PrivateBroker) -> None:
        """A user with a token, and the broker: what a person would click together."""
        config = self.inside / "config"
        config.joinpath("configuration.yaml").write_text(
            f"homeassistant:\n  name: check\nhttp:\n  server_host: 127.0.0.1\n  server_port: {_PORT}\napi:\nwebsocket_api:\n"
            "logger:\n  default: warning\nautomation: []\n",
            encoding="utf-8",
        )
        now = datetime.now(timezone.utc).isoformat()
        user, refresh, key = secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(64)
        self._token = _jwt({"iss": refresh, "iat": int(time.time()), "exp": int(time.time()) + 86400}, key)
        _store(config, "auth", 1, 1, {
            "users": [{"id": user, "group_ids": ["system-admin"], "is_owner": True, "is_active": True, "name": "check",
                       "system_generated": False, "local_only": False}],
            "groups": [{"id": name, "name": name} for name in ("system-admin", "system-users", "system-read-only")],
            "credentials": [],
            "refresh_tokens": [{"id": refresh, "user_id": user, "client_id": None, "client_name": "check",
                                "client_icon": None, "token_type": "long_lived_access_token", "created_at": now,
                                "access_token_expiration": 86400.0, "token": secrets.token_hex(64), "jwt_key": key,
                                "last_used_at": None, "last_used_ip": None, "expire_at": None, "credential_id": None,
                                "version": None}],
        })  # fmt: skip
        _store(config, "core.config_entries", 1, 1, {
            "entries": [{"entry_id": secrets.token_hex(16), "version": 1, "minor_version": 1, "domain": "mqtt",
                         "title": "mosquitto", "data": {"broker": broker.host, "port": broker.port}, "options": {},
                         "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user",
                         "unique_id": None, "disabled_by": None}],
        })  # fmt: skip

    def start(self) -> None:
        """Run it until `stop`, and wait until it answers."""
        log = (self.inside / "config/run.log").open("ab")
        self._process = subprocess.Popen(
            [*self.prefix, self._program("hass"), "-c", self.folder, "--skip-pip"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, urllib.error.URLError):
                if self.call("GET", "config").get("state") == "RUNNING":
                    return
            if self._process.poll() is not None:
                raise SystemExit(f"Home Assistant ended at once:\n{self.log()[-3000:]}")
            time.sleep(0.5)
        raise SystemExit(f"Home Assistant does not come up:\n{self.log()[-3000:]}")

    def stop(self) -> None:
        """As systemd would."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def close(self) -> None:
        """Leave nothing mounted."""
        self.stop()
        if self.prefix:
            for name in ("dev", "proc"):
                _run(["umount", "-l", str(self.inside / name)], check=False)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Its REST API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{_PORT}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the same
            return json.load(answer)

    def states(self, node: str) -> dict[str, dict[str, Any]]:
        """Entity id → state, of one device's entities."""
        return {one["entity_id"]: one for one in self.call("GET", "states") if f".{node}_" in one["entity_id"]}

    def state(self, entity: str) -> str:
        """One entity's state."""
        found = [one["state"] for one in self.call("GET", "states") if one["entity_id"] == entity]
        return str(found[0]) if found else "None"

    def service(self, domain: str, service: str, **data: Any) -> None:
        """Do what a click does."""
        self.call("POST", f"services/{domain}/{service}", data)

    def ask(self, *messages: dict[str, Any]) -> list[Any]:
        """Its websocket API, spoken by its own libraries."""
        script = (
            "import asyncio, json, sys, aiohttp\n"
            "async def main():\n"
            "    asked = json.load(sys.stdin)\n"
            "    async with aiohttp.ClientSession() as session:\n"
            f"        async with session.ws_connect('http://127.0.0.1:{_PORT}/api/websocket', max_msg_size=0) as link:\n"
            "            await link.receive_json()\n"
            "            await link.send_json({'type': 'auth', 'access_token': asked['token']})\n"
            "            await link.receive_json()\n"
            "            for number, one in enumerate(asked['messages'], 1):\n"
            "                await link.send_json({'id': number, **one})\n"
            "                print(json.dumps((await link.receive_json()).get('result')))\n"
            "asyncio.run(main())\n"
        )
        found = subprocess.run(
            [*self.prefix, self._program("python"), "-c", script],
            input=json.dumps({"token": self._token, "messages": messages}), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [json.loads(line) for line in found.stdout.splitlines()]

    def log(self) -> str:
        """Everything it has said."""
        return (self.inside / "config/run.log").read_text(encoding="utf-8", errors="replace")


def _serves(python: str) -> bool:
    """This Python is here, and new enough for the newest Home Assistant of its line."""
    if shutil.which(python) is None:
        return False
    told = subprocess.run(
        [python, "-c", "import sys; sys.exit(sys.version_info < (3, 13, 2))"], capture_output=True, check=False
    )
    return told.returncode == 0


def _run(command: list[str], *, check: bool = True) -> None:
    subprocess.run(command, check=check, stdout=sys.stderr, stdin=subprocess.DEVNULL)


def _store(config: Path, key: str, version: int, minor: int, data: Any) -> None:
    document = {"version": version, "minor_version": minor, "key": key, "data": data}
    (config / ".storage" / key).write_text(json.dumps(document), encoding="utf-8")


def _jwt(claims: dict[str, Any], key: str) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    body = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(json.dumps(claims).encode())
    return body + "." + part(hmac.new(key.encode(), body.encode(), hashlib.sha256).digest())
