"""An installation on disk: settings, keys, and everything that is kept."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from edged.bus.outbox import OutgoingEvent
from edged.keys import make_key
from edged.store import audit
from edged.store.database import Database
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector
from edged.store.history import History
from edged.store.kept import KeptFile
from edged.store.migrations import JOB_MIGRATIONS
from edged.store.outbox import SqliteOutbox
from tests.cli.edged_command import edged

PASSPHRASE = "seven words nobody else would ever think of"
PASSWORD = "mqtt-password-hunter2"
FRONT = """\
camera = "front"
[capture]
source = "sitter:"
[mqtt]
host = "localhost"
password_file = "mqtt_password"
[signing]
key_file = "front.key"
"""
TYPING = 'actuator = "typing"\n[signing]\nkey_file = "typing.key"\n'


class Installation:
    """One machine's folders."""

    def __init__(self, folder: Path) -> None:
        self.settings = folder / "etc"
        self.state = folder / "state"
        self.passphrase = folder / "passphrase"
        self.settings.mkdir(parents=True)
        self.state.mkdir(mode=0o700)
        self.passphrase.write_text(PASSPHRASE + "\n", encoding="utf-8")
        self.passphrase.chmod(0o600)

    def fill(self) -> None:
        """A year in the life."""
        (self.settings / "front.toml").write_text(FRONT, encoding="utf-8")
        (self.settings / "front.toml").chmod(0o644)
        (self.settings / "typing.toml").write_text(TYPING, encoding="utf-8")
        (self.settings / "mqtt_password").write_text(PASSWORD, encoding="utf-8")
        (self.settings / "mqtt_password").chmod(0o640)
        for name in ("front", "typing"):
            make_key(self.settings / f"{name}.key")
        with Gallery(self.state) as gallery:
            gallery.enrol("Annabella", [vector(number) for number in range(3)])
            gallery.add_stranger([vector(9)], 1_790_000_000.0)
        history = History(self.state, "front", keep_seconds=1e9, limit_bytes=1 << 26)
        history.add(event(number) for number in range(200))
        history.close()
        for number in range(3):
            audit.note(self.state, "config", {"number": number}, by="daemon", camera="front")
        KeptFile(self.state / "front.kept.json").replace(
            overlay={"judgement": {"gaze": {"side_degrees": 20.0}}}, revision=4, paused=True, nonces={"n1": 9e9}
        )
        outbox = SqliteOutbox(Database(self.state / "front.db"))
        outbox.add(OutgoingEvent("e/blink", "blink", b"{}", None))
        outbox.close()
        Database(self.state / "actuator-typing.jobs.db", JOB_MIGRATIONS).close()
        (self.state / "actuator-typing.stopped").write_text('{"since": "2026-01-01T00:00:00Z", "reason": "me"}')

    def run(self, *arguments: str) -> tuple[int, str]:
        """`edged ARGUMENTS` on these folders; status, and all that it said."""
        done = edged(
            *arguments,
            "--settings", str(self.settings), "--state", str(self.state), "--passphrase-file", str(self.passphrase),
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def files(self) -> dict[str, bytes]:
        """All there is, but locks."""
        return {
            str(path.relative_to(self.settings.parent)): path.read_bytes()
            for root in (self.settings, self.state)
            for path in sorted(root.rglob("*"))
            if path.is_file() and ".lock" not in path.name
        }


def vector(number: int) -> NewVector:
    """Somebody's face."""
    values = [0.0] * 128
    values[number] = 1.0
    return NewVector("m", "1", struct.pack("<128f", *values), 0.9, "image", f"{number}.png")


def event(number: int) -> dict[str, object]:
    """Of a person who is known."""
    at = f"2026-03-01T00:{number // 60 % 60:02}:{number % 60:02}.000Z"
    return {"id": f"e{number}", "at": at, "kind": "identity", "camera": "front", "person": "Annabella"}


@pytest.fixture
def full(tmp_path: Path) -> Installation:
    """An installation that has something of everything."""
    made = Installation(tmp_path / "one")
    made.fill()
    return made


@pytest.fixture
def fresh(tmp_path: Path) -> Installation:
    """Another machine, with nothing on it."""
    return Installation(tmp_path / "two")


@pytest.fixture(autouse=True)
def _no_state_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE_DIRECTORY", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        if name in os.environ:
            monkeypatch.delenv(name)
