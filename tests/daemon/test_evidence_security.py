"""Evidence around a real verdict: a printed photograph before a real daemon, networks and all, and a covered lens; up to what is
shown of it, what the trail and the past say of it, and what does not leave the machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edged.evidence.album import Album
from edged.store import audit
from edged.store.audit import Record
from edged.store.audit_check import records
from tests.brokers import broker_here
from tests.cli.edged_command import edged
from tests.daemon.conftest import ROOT, Theatre
from tests.data_files import data_file
from tests.evidence.making import key_file

pytestmark = pytest.mark.slow


class Guard:
    """A daemon that guards a seat with the real networks and keeps evidence."""

    def __init__(self, theatre: Theatre, state: Path, source: Path) -> None:
        self.theatre = theatre
        self.state = state
        self.key = os.urandom(32)
        self.album = Album(state / "evidence" / "front")
        self.config = theatre.folder / "front.toml"
        key = key_file(theatre.folder, self.key)
        self.config.write_text(
            f"""
            [capture]
            source = "{source}"
            [mqtt]
            host = "{theatre.broker.host}"
            port = {theatre.broker.port}
            [inference.liveness]
            enabled = true
            [judgement.security]
            enabled = true
            require = "anybody"
            grace_seconds = 0
            [evidence]
            enabled = true
            key_file = "{key}"
            after_seconds = 1
            [history]
            enabled = true
            batch_seconds = 0.1
            """,
            encoding="utf-8",
        )

    def begin(self) -> None:
        with self.theatre.log_file.open("ab") as log:
            self.theatre.daemon = subprocess.Popen(
                [sys.executable, "-m", "edged", "run", "-c", str(self.config)], cwd=ROOT, stderr=log, stdout=log
            )

    def end(self) -> None:
        assert self.theatre.daemon is not None
        self.theatre.daemon.send_signal(signal.SIGTERM)
        self.theatre.daemon.wait(10)

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return edged(*arguments, "-c", str(self.config))

    def recorded(self, kind: str, what: str | None = None) -> list[Record]:
        there = (self.state / audit.NAME).exists()
        found = [each for each in records(self.state) if each.kind == kind] if there else []
        return [each for each in found if what is None or each.data["what"] == what]

    def verdict(self, wanted: str) -> dict[str, Any] | None:
        events = [event for event in self.theatre.all("event/security") if event["verdict"] == wanted]
        return events[0] if events else None


@pytest.fixture
def theatre(tmp_path: Path, models_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    model = data_file("models/AntiSpoofing_print-replay_1.5_128.onnx")
    models = tmp_path / "models"
    models.mkdir()
    for path in (*models_directory.glob("*.tflite"), model):
        (models / path.name).symlink_to(path.resolve())
    monkeypatch.setenv("EDGED_MODELS_DIR", str(models))
    broker = broker_here()
    broker.start()
    theatre = Theatre(tmp_path, broker)
    theatre.listen()
    theatre.until(theatre.listening)
    try:
        yield theatre
    finally:
        theatre.close()


@pytest.fixture
def state() -> Path:
    return Path(os.environ["EDGED_STATE_DIR"])


def _like(one: Path, other: Path) -> float:
    """Mean difference of two pictures in levels, small and grey."""
    pictures = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in (one, other)]
    small = [cv2.resize(picture, (64, 64)).astype(float) for picture in pictures if picture is not None]
    assert len(small) == 2
    return float(np.abs(small[0] - small[1]).mean())


def test_a_printed_photograph_leaves_encrypted_pictures_and_a_trail_that_only_the_key_opens(
    theatre: Theatre, state: Path, tmp_path: Path
) -> None:
    photograph = data_file("spoof/print_F1.jpg")
    guard = Guard(theatre, state, photograph)
    guard.begin()
    theatre.until(lambda: guard.recorded("evidence", "kept"), seconds=90)
    event = guard.verdict("spoof")
    assert event is not None
    assert event["do"]["sign_out"]
    (kept,) = guard.recorded("evidence", "kept")
    assert kept.data["event"] == event["id"]
    guard.end()

    listed = json.loads(guard.ask("evidence", "list", "--json").stdout)
    assert [(each["event"], each["kind"], each["problem"]) for each in listed] == [(event["id"], "security", "")]
    assert guard.ask("evidence", "verify").returncode == 0
    shown = guard.ask("evidence", "show", event["id"], "--output", str(tmp_path / "shown"))
    assert shown.returncode == 0, shown.stderr
    pictures = sorted((tmp_path / "shown").glob("*.jpg"))
    assert len(pictures) == kept.data["pictures"] >= 4
    assert _like(pictures[0], photograph) < 8
    assert guard.recorded("evidence", "shown")[0].data["event"] == event["id"]
    assert [each.data["id"] for each in guard.recorded("security")][:1] == [event["id"]]
    past = [json.loads(line) for line in guard.ask("history", "--kind", "security", "--json").stdout.splitlines()]
    assert event in past
    verified = guard.ask("audit", "verify")
    assert verified.returncode == 0, verified.stdout

    # No picture and no key anywhere else: neither in what is kept, nor in the log, nor told.
    for path in [*state.rglob("*"), theatre.log_file]:
        content = path.read_bytes() if path.is_file() else b""
        assert b"\xff\xd8\xff" not in content, path
        assert guard.key.hex().encode() not in content, path
    told = json.dumps(theatre.heard)
    assert guard.key.hex() not in told
    assert "/9j/" not in told

    content = guard.album.path(event["id"]).read_bytes()
    guard.album.path(event["id"]).write_bytes(content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:])
    altered = guard.ask("evidence", "verify")
    assert altered.returncode == 1
    assert event["id"] in altered.stdout


def test_evidence_of_a_covered_lens_shows_what_came_before_the_dark(
    theatre: Theatre, state: Path, tmp_path: Path
) -> None:
    # A folder of pictures: somebody for a while, then the dark for longer than the verdict's patience.
    photograph = cv2.imread(str(data_file("spoof/live_T1.jpg")))
    assert photograph is not None
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(60):
        seen = photograph if number < 15 else np.full_like(photograph, 9)
        assert cv2.imwrite(str(pictures / f"{number:03d}.png"), seen)
    guard = Guard(theatre, state, pictures)
    text = guard.config.read_text(encoding="utf-8")
    guard.config.write_text(text.replace("[mqtt]", "frames_per_second = 5\n[mqtt]"), encoding="utf-8")
    guard.begin()
    event = theatre.until(lambda: guard.verdict("camera_blocked"), seconds=90)
    theatre.until(
        lambda: event["id"] in [each.data["event"] for each in guard.recorded("evidence", "kept")], seconds=60
    )
    guard.end()
    shown = guard.ask("evidence", "show", event["id"], "--output", str(tmp_path / "shown"))
    assert shown.returncode == 0, shown.stderr
    found = [cv2.imread(str(path)) for path in sorted((tmp_path / "shown").glob("*.jpg"))]
    brightness = [float(picture.mean()) for picture in found if picture is not None]
    assert brightness[0] > 40
    assert brightness[-1] < 20
