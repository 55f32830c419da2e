"""No secret in any log: the code hands none over, and what is logged has none, in every format, at debug."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logs.conftest import Journal

ROOT = Path(__file__).resolve().parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# Handed over whole, these would be secret, private, or too much to be sure.
FORBIDDEN = {
    "password", "passphrase", "secret", "secrets", "token", "auth", "authorization", "credential", "credentials",
    "key", "keys", "nonce", "signature", "text", "texts", "twiml", "body", "payload", "content", "options", "wish",
    "request", "raw", "settings", "environ", "headers", "url", "uri", "embedding", "picture", "image", "person", "number",
    "digit", "recipient", "to", "get_secret_value", "overlay", "said_text",
}  # fmt: skip
# Where such a name holds nothing of the kind.
HARMLESS = {
    ("daemon/daemon.py", "number"),  # of a signal
    ("actuators/actuator.py", "number"),  # the same
    ("processes/supervisor.py", "number"),  # the same
}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger."""
    for path in sorted((ROOT / "edged").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name) and node.func.value.id in ("log", "logger", "logging")
            ):  # fmt: skip
                yield str(path.relative_to(ROOT / "edged")), node


def handed_over(node: ast.AST) -> Iterator[str]:
    """The names of what goes into the text; of `settings.mqtt.host` only `host`, of `payload["id"]` nothing."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        yield str(node.slice.value)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            yield node.func.attr
        elif not (isinstance(node.func, ast.Name) and node.func.id in ("len", "type", "sum")):
            yield from handed_over(node.func)
        if not (isinstance(node.func, ast.Name) and node.func.id in ("len", "type", "sum")):
            for each in node.args:
                yield from handed_over(each)
    else:
        for child in ast.iter_child_nodes(node):
            yield from handed_over(child)


def test_no_line_of_code_hands_a_secret_to_the_log() -> None:
    found = list(calls())
    assert len(found) > 100
    bad = [
        f"{path}:{call.lineno} {name}"
        for path, call in found
        for argument in [*call.args, *(each.value for each in call.keywords if each.arg != "extra")]
        for name in handed_over(argument)
        if name in FORBIDDEN and (path, name) not in HARMLESS
    ]
    assert bad == []


def test_the_scan_would_see_one() -> None:
    code = "log.info('%s %s %s', settings.mqtt.password, wish.text.value, f(options['token']))"
    (call,) = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and len(node.args) == 4]
    names = {name for argument in call.args for name in handed_over(argument)}
    assert names & FORBIDDEN == {"password", "token"}
    assert "value" in names


def test_every_text_of_a_line_is_a_constant() -> None:
    """An f-string would be another kind of line each time, and could hold anything."""
    texts = [
        (path, call, call.args[1 if isinstance(call.func, ast.Attribute) and call.func.attr == "log" else 0])
        for path, call in calls()
        if call.args
    ]
    assert [f"{path}:{call.lineno}" for path, call, text in texts if not isinstance(text, ast.Constant)] == []


SECRETS = ("opensesame", "verysecret", "hunter2hunter2")


def command(folder: Path, wanted: str) -> list[str]:
    """A daemon whose camera and broker want passwords and are not there."""
    parts = {
        "capture.source": "rtsp://watcher:opensesame@127.0.0.1:1/stream?token=verysecret",
        "mqtt.host": "127.0.0.1", "mqtt.port": 1, "mqtt.username": "edged", "mqtt.password": "hunter2hunter2",
        "log.format": wanted, "log.level": "debug", "store.directory": folder / "state",
    }  # fmt: skip
    (folder / "front.json").write_text(
        json.dumps({name: str(value) for name, value in parts.items()}), encoding="utf-8"
    )
    return [sys.executable, "-m", "tests.logs.short_run", str(folder / "front.json")]


@pytest.mark.parametrize("wanted", ["text", "json"])
def test_a_daemon_without_camera_and_broker_tells_no_secret(tmp_path: Path, wanted: str) -> None:
    done = subprocess.run(
        command(tmp_path, wanted), cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stderr
    assert "no MQTT" in done.stderr
    assert [secret for secret in SECRETS if secret in done.stderr] == []


def test_nor_does_the_journal_have_one(journal: Journal, tmp_path: Path) -> None:
    entries = journal.of(*command(tmp_path, "auto"))
    assert any(each.get("EDGED_NOTICE") == "camera_lost" for each in entries)
    assert any(each.get("EDGED_NOTICE") == "broker_lost" for each in entries)
    assert [secret for secret in SECRETS for each in entries if secret in json.dumps(each)] == []
