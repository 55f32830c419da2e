"""Pictures around an event are encrypted where they are taken."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from edged.evidence import sealing
from edged.evidence.album import Album
from edged.evidence.container import Header, Opened, unpack
from edged.frames import FrameStamp
from edged.inference.evidence import EvidenceKeeper
from edged.messages import EvidenceKept, KeepEvidence
from edged.settings.keeping import EvidenceSettings
from tests.evidence.making import KEY, an_id, details

SECOND = 1_000_000_000
WIDTH, HEIGHT = 64, 48


def _settings(**more: Any) -> EvidenceSettings:
    return EvidenceSettings(enabled=True, before_seconds=3, after_seconds=2, pictures_per_second=2, **more)


def _play(keeper: EvidenceKeeper, begin_seconds: float, end_seconds: float, frames_per_second: int = 30) -> None:
    """A source whose brightness says which second it is."""
    for number in range(round(begin_seconds * frames_per_second), round(end_seconds * frames_per_second)):
        at_ns = number * SECOND // frames_per_second
        image = np.full((HEIGHT, WIDTH, 3), 10 * (at_ns // SECOND % 25), np.uint8)
        keeper.see(
            image, FrameStamp(number + 1, number, at_ns, at_ns + 1_700_000_000 * SECOND, at_ns / 1e6, WIDTH, HEIGHT)
        )


def _order(folder: Path, at_seconds: float) -> KeepEvidence:
    event, salt = an_id(), sealing.new_salt()
    header = Header(event, "front", "security", "2026-07-01T12:00:00.000Z", salt.hex(), sealing.key_name(KEY), [])
    return KeepEvidence(
        event, msgspec.json.encode(header), sealing.file_key(KEY, salt, event), details(event), str(folder),
        round(at_seconds * SECOND),
    )  # fmt: skip


def _results(keeper: EvidenceKeeper, at_seconds: float, count: int) -> list[EvidenceKept]:
    found: list[EvidenceKept] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found += keeper.tick(round(at_seconds * SECOND))
        if len(found) >= count:
            return found
        time.sleep(0.005)
    raise AssertionError(f"{len(found)} of {count} were kept")


def _result(keeper: EvidenceKeeper, at_seconds: float) -> EvidenceKept:
    (found,) = _results(keeper, at_seconds, 1)
    return found


def _open(folder: Path, order: KeepEvidence) -> Opened:
    path = Album(folder).path(order.event)
    return unpack(path.read_bytes(), KEY, path.name)


def _seconds(opened: Opened) -> list[int]:
    """Which second each picture shows."""
    shown = []
    for picture in opened.pictures:
        image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (HEIGHT, WIDTH, 3)
        shown.append(round(float(image.mean()) / 10))
    return shown


def test_pictures_before_and_after_the_event_are_kept_and_no_others(tmp_path: Path) -> None:
    keeper = EvidenceKeeper(_settings())
    order = _order(tmp_path, 10.1)
    _play(keeper, 0, 10.5)
    keeper.keep(order)
    assert keeper.tick(round(10.5 * SECOND)) == []
    _play(keeper, 10.5, 12.5)
    kept = _result(keeper, 12.5)
    opened = _open(tmp_path, order)
    assert opened.problems == []
    assert opened.details == details(order.event)
    assert _seconds(opened) == [7, 8, 8, 9, 9, 10, 10, 11, 11, 12]
    content = Album(tmp_path).path(order.event).read_bytes()
    assert (kept.pictures, kept.bytes, kept.sha256) == (10, len(content), hashlib.sha256(content).hexdigest())
    keeper.close()


def test_no_picture_is_ever_on_the_disk_in_clear(tmp_path: Path) -> None:
    keeper = EvidenceKeeper(_settings())
    _play(keeper, 0, 5)
    keeper.keep(_order(tmp_path, 3))
    _result(keeper, 6)
    keeper.close()
    (path,) = tmp_path.iterdir()
    assert b"\xff\xd8\xff" not in path.read_bytes()
    assert b"JFIF" not in path.read_bytes()


def test_memory_is_bounded_however_long_it_looks() -> None:
    keeper = EvidenceKeeper(_settings())
    _play(keeper, 0, 60)
    assert keeper.remembered <= (3 + 2 + 2) * 2 + 1


def test_nothing_is_remembered_where_evidence_is_off(tmp_path: Path) -> None:
    keeper = EvidenceKeeper(EvidenceSettings())
    _play(keeper, 0, 5)
    assert keeper.remembered == 0
    keeper.keep(_order(tmp_path, 3))
    assert keeper.tick(10 * SECOND)[0].reason
    assert list(tmp_path.iterdir()) == []


def test_a_pause_forgets_what_was_seen(tmp_path: Path) -> None:
    keeper = EvidenceKeeper(_settings())
    _play(keeper, 0, 5)
    keeper.clear()
    keeper.keep(_order(tmp_path, 4))
    assert _result(keeper, 7).pictures == 0
    keeper.close()


def test_an_event_at_the_very_end_is_kept_with_what_there_is(tmp_path: Path) -> None:
    keeper = EvidenceKeeper(_settings())
    order = _order(tmp_path, 4.9)
    _play(keeper, 0, 5)
    keeper.keep(order)
    (kept,) = keeper.close()
    assert kept.reason == ""
    assert _seconds(_open(tmp_path, order)) == [2, 2, 3, 3, 4, 4]


def test_events_close_together_each_have_their_own(tmp_path: Path) -> None:
    keeper = EvidenceKeeper(_settings())
    orders = [_order(tmp_path, at) for at in (5.0, 5.4, 6.0)]
    _play(keeper, 0, 7)
    for order in orders:
        keeper.keep(order)
    _play(keeper, 7, 9)
    results = _results(keeper, 9, 3)
    assert {kept.event for kept in results} == {order.event for order in orders}
    assert all(_open(tmp_path, order).problems == [] for order in orders)
    keeper.close()


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="ascii")
    keeper = EvidenceKeeper(_settings())
    _play(keeper, 0, 5)
    keeper.keep(_order(tmp_path / "file", 3))
    kept = _result(keeper, 6)
    assert "cannot be written" in kept.reason
    assert kept.sha256 == ""
    keeper.close()


def test_an_order_never_shows_its_key(tmp_path: Path) -> None:
    order = _order(tmp_path, 1)
    assert order.of_file.hex() not in repr(order)
    assert repr(order.of_file) not in repr(order)


@pytest.mark.parametrize("rate", [5, 7, 30])
def test_the_rate_is_that_of_the_settings_whatever_the_frame_rate(rate: int) -> None:
    keeper = EvidenceKeeper(_settings())
    _play(keeper, 0, 7, rate)
    assert keeper.remembered in (13, 14, 15)


def test_rubbish_as_an_order_is_an_answer_and_no_crash(tmp_path: Path) -> None:
    keeper = EvidenceKeeper(_settings())
    keeper.keep(KeepEvidence(an_id(), b"rubbish", os.urandom(32), b"", str(tmp_path), 0))
    assert _result(keeper, 6).reason
    keeper.close()
