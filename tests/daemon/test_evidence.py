"""Evidence of a real daemon on the sitter: pictures around an event, encrypted, recorded, and gone when their time is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edged.evidence.album import Album
from edged.evidence.container import unpack
from edged.store import audit
from edged.store.audit import Record
from edged.store.audit_check import records, verify
from tests.brokers import broker_here
from tests.daemon.conftest import ROOT, Theatre
from tests.evidence.making import KEY, fill, key_file

pytestmark = pytest.mark.slow


# Old evidence goes only by a clock that proved itself, and a machine for tests may follow no time server: what timesyncd
# says is stood in for.
_AT_A_RIGHT_CLOCK = """
import sys
from pathlib import Path
from edged import clock
clock.follows_a_time_server.__defaults__ = (Path(sys.executable),)
from edged.cli import main
main()
"""


class Seat:
    """A daemon that keeps evidence of everybody who comes and goes."""

    def __init__(self, theatre: Theatre, state: Path) -> None:
        self.theatre = theatre
        self.state = state
        self.album = Album(state / "evidence" / "front")

    def begin(self, **more: Any) -> None:
        options: dict[str, Any] = {
            "capture.source": "sitter:",
            "mqtt.host": self.theatre.broker.host,
            "mqtt.port": self.theatre.broker.port,
            "health.interval_seconds": 1,
            "evidence.enabled": "true",
            "evidence.kinds": '["presence"]',
            "evidence.before_seconds": 1,
            "evidence.after_seconds": 1,
            "evidence.pictures_per_second": 4,
            "evidence.key_file": str(key_file(self.theatre.folder)),
            **more,
        }
        given = [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
        with self.theatre.log_file.open("ab") as log:
            self.theatre.daemon = subprocess.Popen(
                [sys.executable, "-c", _AT_A_RIGHT_CLOCK, "run", *given], cwd=ROOT, stderr=log, stdout=log
            )

    def end(self, number: int = signal.SIGTERM) -> None:
        assert self.theatre.daemon is not None
        self.theatre.daemon.send_signal(number)
        self.theatre.daemon.wait(10)

    def recorded(self, what: str) -> list[Record]:
        if not (self.state / audit.NAME).exists():
            return []
        return [each for each in records(self.state) if each.kind == "evidence" and each.data["what"] == what]


@pytest.fixture
def seat(tmp_path: Path, models_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seat]:
    broker = broker_here()
    broker.start()
    theatre = Theatre(tmp_path, broker)
    theatre.listen()
    monkeypatch.setenv("EDGED_MODELS_DIR", str(models_directory))
    try:
        yield Seat(theatre, Path(os.environ["EDGED_STATE_DIR"]))
    finally:
        theatre.close()


def test_pictures_around_an_event_are_kept_encrypted_and_recorded(seat: Seat) -> None:
    seat.begin()
    seat.theatre.until(lambda: seat.recorded("kept"), seconds=60)
    (record, *_) = seat.recorded("kept")
    event = seat.theatre.all("event/presence")[0]
    assert record.data["event"] == event["id"]
    path = seat.album.path(event["id"])
    content = path.read_bytes()
    assert b"\xff\xd8\xff" not in content
    opened = unpack(content, KEY, path.name)
    assert opened.problems == []
    assert 4 <= len(opened.pictures) == record.data["pictures"]
    image = cv2.imdecode(np.frombuffer(opened.pictures[-1].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (480, 640, 3)
    frames = [picture.frame for picture in opened.pictures]
    assert min(frames) <= event["frame"] <= max(frames)
    seat.end()
    assert verify(seat.state).problems == []
    assert KEY.hex() not in seat.theatre.log()


def test_no_process_with_pictures_ever_has_the_owners_key(seat: Seat) -> None:
    key = os.urandom(32)
    (seat.theatre.folder / "random").mkdir()
    seat.begin(**{"evidence.key_file": str(key_file(seat.theatre.folder / "random", key))})
    seat.theatre.until(lambda: seat.recorded("kept"), seconds=60)
    inference = seat.theatre.children()["inference"]
    held = b""
    for line in Path(f"/proc/{inference}/maps").read_text(encoding="ascii").splitlines():
        span, rights, *_ = line.split()
        if not rights.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
            continue
        begin, end = (int(each, 16) for each in span.split("-"))
        with Path(f"/proc/{inference}/mem").open("rb", buffering=0) as memory:
            try:
                memory.seek(begin)
                held = memory.read(end - begin)
            except (OSError, ValueError, OverflowError):
                continue
        assert key not in held
        assert key.hex().encode() not in held
    assert held


def test_old_evidence_goes_by_itself_also_where_none_is_kept_any_more(seat: Seat) -> None:
    (old,) = fill(seat.album.folder, 1_750_000_000.0)
    seat.begin(**{"evidence.enabled": "false"})
    seat.theatre.until(lambda: not seat.album.path(old).exists(), seconds=60)
    seat.theatre.until(lambda: seat.recorded("deleted"), seconds=60)
    assert seat.recorded("deleted")[0].data == {"what": "deleted", "event": old, "reason": "retention"}


def test_without_a_key_it_watches_on_and_says_so(seat: Seat) -> None:
    seat.begin(**{"evidence.key_file": str(seat.theatre.folder / "nothing")})
    seat.theatre.until(lambda: seat.theatre.status() == "degraded", seconds=60)
    health = seat.theatre.last("health")
    assert "evidence is not kept: the key of evidence" in " ".join(health["reasons"])
    assert "edged evidence keygen" in " ".join(health["reasons"])
    seat.theatre.until(lambda: seat.theatre.all("event/presence"), seconds=60)
    assert seat.album.entries() == []


def test_what_was_to_be_kept_when_the_pictures_were_lost_is_recorded_as_failed(
    seat: Seat,
) -> None:
    seat.begin(**{"evidence.after_seconds": 5})
    seat.theatre.until(lambda: seat.theatre.all("event/presence"), seconds=60)
    # The event may be here before its pictures are asked for, and a process that is gone is asked nothing.
    time.sleep(1)
    os.kill(seat.theatre.children()["inference"], signal.SIGKILL)
    # Another event may be told while the process is being replaced.
    reason = "the process that had the pictures ended"
    seat.theatre.until(lambda: reason in [each.data["reason"] for each in seat.recorded("failed")], seconds=60)
