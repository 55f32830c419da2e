"""The audit trail: many writers, one chain; and nothing in it can be changed unnoticed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edged.errors import StoreError
from edged.store import audit
from edged.store.audit import Head, Trail, note, renew
from edged.store.audit_check import records, verify
from tests.store.conftest import Card

ROOT = Path(__file__).resolve().parents[2]


def _write(folder: Path, count: int) -> list[Head]:
    trail = Trail(folder)
    heads = [trail.append("security", {"verdict": "spoof", "number": number}, by="test") for number in range(count)]
    trail.sync()
    trail.close()
    return heads


def _lines(folder: Path) -> list[bytes]:
    return (folder / audit.NAME).read_bytes().splitlines(keepends=True)


def _rewrite(folder: Path, lines: list[bytes]) -> list[str]:
    (folder / audit.NAME).write_bytes(b"".join(lines))
    return verify(folder).problems


def test_what_was_recorded_is_read_again_and_is_good(tmp_path: Path) -> None:
    heads = _write(tmp_path, 5)
    verdict = verify(tmp_path)
    assert verdict.problems == []
    assert verdict.records == 5
    assert verdict.head == heads[-1]
    assert [record.data["number"] for record in records(tmp_path)] == list(range(5))
    assert (tmp_path / audit.NAME).stat().st_mode & 0o777 == 0o600


def test_anybody_can_check_the_chain_without_edged(tmp_path: Path) -> None:
    _write(tmp_path, 4)
    before = "0" * 64
    for line in _lines(tmp_path):
        fields = json.loads(line)
        body = line.rstrip(b"\n")[: -len(',"hash":""}') - 64]
        assert fields["hash"] == hashlib.sha256(body).hexdigest()
        assert fields["prev"] == before
        before = fields["hash"]


def test_every_single_byte_counts(tmp_path: Path) -> None:
    _write(tmp_path, 4)
    whole = (tmp_path / audit.NAME).read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        (tmp_path / audit.NAME).write_bytes(changed)
        assert verify(tmp_path).problems, f"byte {place} was changed, and nobody noticed"


def test_every_byte_of_the_note_beside_it_counts_too(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    path = tmp_path / "audit.head"
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert verify(tmp_path).problems, f"byte {place} was changed, and nobody noticed"


def test_a_changed_record_is_named(tmp_path: Path) -> None:
    _write(tmp_path, 5)
    lines = _lines(tmp_path)
    lines[2] = lines[2].replace(b"spoof", b"allow")
    assert _rewrite(tmp_path, lines) == ["line 3 (record 3) was changed, or added"]


def test_a_removed_record_is_named(tmp_path: Path) -> None:
    _write(tmp_path, 6)
    lines = _lines(tmp_path)
    assert _rewrite(tmp_path, lines[:2] + lines[3:]) == ["line 3: record 3 is missing before record 4"]
    assert _rewrite(tmp_path, lines[:1] + lines[4:]) == ["line 2: records 2 to 4 are missing before record 5"]
    assert _rewrite(tmp_path, lines[2:]) == ["line 1: the trail begins with record 3: what was before was removed"]


def test_records_that_changed_places_are_named(tmp_path: Path) -> None:
    _write(tmp_path, 6)
    lines = _lines(tmp_path)
    lines[3], lines[4] = lines[4], lines[3]
    assert _rewrite(tmp_path, lines) == [
        "line 4: record 4 is missing before record 5",
        "line 5: record 4 stands after record 5: it was moved, or added",
    ]


def test_a_record_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    _write(tmp_path, 4)
    lines = _lines(tmp_path)
    assert _rewrite(tmp_path, [*lines[:3], lines[1], lines[3]]) == [
        "line 4: record 2 stands after record 3: it was moved, or added"
    ]


def test_a_record_forged_with_a_good_hash_of_its_own_does_not_fit(tmp_path: Path) -> None:
    _write(tmp_path, 5)
    lines = _lines(tmp_path)
    body = lines[2][: -len(',"hash":""}\n') - 64].replace(b"spoof", b"allow")
    lines[2] = body + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
    assert _rewrite(tmp_path, lines) == ["line 4: record 4 does not follow from record 3: one of them was replaced"]


def test_a_forged_last_record_shows_by_what_was_noted(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    lines = _lines(tmp_path)
    body = lines[2][: -len(',"hash":""}\n') - 64].replace(b"spoof", b"allow")
    lines[2] = body + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
    assert _rewrite(tmp_path, lines) == ["record 3 is not the one that audit.head tells of: the trail was rewritten"]


def test_a_trail_that_was_cut_shows(tmp_path: Path) -> None:
    _write(tmp_path, 6)
    lines = _lines(tmp_path)
    expected = ["the trail ends with record 4, but audit.head says that record 6 was written: it was cut"]
    assert _rewrite(tmp_path, lines[:4]) == expected
    (tmp_path / audit.NAME).unlink()
    with pytest.raises(StoreError):
        verify(tmp_path)


def test_a_cut_shows_by_the_published_head_though_the_note_was_cut_as_well(tmp_path: Path) -> None:
    heads = _write(tmp_path, 6)
    other = tmp_path / "other"
    other.mkdir()
    (other / audit.NAME).write_bytes(b"".join(_lines(tmp_path)[:3]))
    (other / "audit.head").write_text(f'{{"seq":3,"hash":"{heads[2].hash}"}}\n', encoding="ascii")
    assert verify(other).problems == []
    assert verify(other, [("the broker", heads[5])]).problems == [
        "the trail ends with record 3, but the broker says that record 6 was written: it was cut"
    ]
    assert verify(tmp_path, [("the broker", heads[3])]).problems == []


def test_whoever_rewrites_all_of_it_is_found_by_the_published_head(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "forged").mkdir()
    heads = _write(tmp_path / "real", 4)
    _write(tmp_path / "forged", 9)
    assert verify(tmp_path / "forged").problems == []
    assert verify(tmp_path / "forged", [("the broker", heads[-1])]).problems == [
        "record 4 is not the one that the broker tells of: the trail was rewritten"
    ]


def test_who_writes_on_after_a_cut_says_so_in_the_trail(tmp_path: Path) -> None:
    _write(tmp_path, 6)
    (tmp_path / audit.NAME).write_bytes(b"".join(_lines(tmp_path)[:4]))
    note(tmp_path, "security", {"verdict": "phone"}, by="test")
    kinds = [(record.seq, record.kind) for record in records(tmp_path)]
    assert kinds[-2:] == [(7, "broken"), (8, "security")]
    problems = verify(tmp_path).problems
    assert any("the trail ended after record 4, though record 6 had been written" in each for each in problems)
    assert any("records 5 to 6 are missing" in each for each in problems)


def test_a_writer_that_is_at_work_notices_a_cut(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    for _ in range(3):
        trail.append("security", {}, by="test")
    (tmp_path / audit.NAME).write_bytes(b"".join(_lines(tmp_path)[:1]))
    trail.append("security", {}, by="test")
    trail.close()
    assert [record.kind for record in records(tmp_path)] == ["security", "broken", "security"]


def test_half_a_record_after_a_power_cut_is_no_alarm_for_ever_but_noted(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    with (tmp_path / audit.NAME).open("ab") as file:
        file.write(b'{"seq":4,"at":"2026')
    assert verify(tmp_path).problems
    note(tmp_path, "security", {}, by="test")
    *_, torn, last = records(tmp_path)
    assert (torn.kind, torn.data["torn_bytes"], last.kind) == ("broken", 19, "security")
    assert verify(tmp_path).problems == []
    (found,) = verify(tmp_path).notes
    assert found.startswith("record 4 of ")
    assert "half a record of 19 bytes stood at the end, as after a power cut" in found


def test_a_damaged_trail_is_set_aside_and_the_numbers_go_on(tmp_path: Path) -> None:
    heads = _write(tmp_path, 5)
    aside = renew(tmp_path, by="test", why="it grew long")
    assert aside.read_bytes().count(b"\n") == 5
    note(tmp_path, "security", {}, by="test")
    assert verify(tmp_path, [("the broker", heads[-1])]).problems == []
    first, second = records(tmp_path)
    assert (first.seq, first.kind, first.prev) == (6, "renewed", heads[-1].hash)
    assert first.data["aside"] == aside.name
    assert first.data["aside_sha256"] == hashlib.sha256(aside.read_bytes()).hexdigest()
    assert second.seq == 7


def test_a_writer_that_is_at_work_follows_to_the_new_file(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.append("security", {"number": 1}, by="test")
    renew(tmp_path, by="other", why="it grew long")
    trail.append("security", {"number": 2}, by="test")
    trail.sync()
    trail.close()
    assert [(record.seq, record.kind) for record in records(tmp_path)] == [(2, "renewed"), (3, "security")]
    assert verify(tmp_path).problems == []


def test_what_is_too_large_is_shortened_and_says_so(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.append("security", {"verdict": "spoof", "reason": "\u20ac" * 20_000, "many": list(range(9000))}, by="test")
    trail.append("security", {f"field {number}": "\x00" * 1000 for number in range(500)}, by="test")
    trail.sync()
    trail.close()
    assert verify(tmp_path).problems == []
    first, second = records(tmp_path)
    assert first.data["verdict"] == "spoof"
    assert first.data["shortened_from_bytes"] > 20_000
    assert "shortened_from_bytes" in second.data


def test_many_processes_write_one_chain(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edged.store.audit import Trail\n"
        "trail = Trail(Path(sys.argv[1]))\n"
        "for number in range(100): trail.append('test', {'number': number}, by=sys.argv[2])\n"
        "trail.sync()"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), f"writer {number}"], cwd=ROOT)
        for number in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    verdict = verify(tmp_path)
    assert verdict.problems == []
    assert verdict.records == 300
    for writer in range(3):
        mine = [record.data["number"] for record in records(tmp_path) if record.by == f"writer {writer}"]
        assert mine == list(range(100))


@pytest.mark.slow
def test_writers_that_are_killed_leave_whole_records(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edged.store.audit import Trail\n"
        "trail = Trail(Path(sys.argv[1]))\n"
        "while True: trail.append('test', {'filling': 'x' * 2000}, by='writer'); trail.sync()"
    )
    chance = random.Random(5)
    for _ in range(8):
        writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
        size = _size(tmp_path)
        while _size(tmp_path) == size:
            assert writer.poll() is None
            time.sleep(0.005)
        time.sleep(chance.random() * 0.05)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    note(tmp_path, "test", {}, by="test")
    assert verify(tmp_path).problems == []


def _size(folder: Path) -> int:
    path = folder / audit.NAME
    return path.stat().st_size if path.exists() else 0


def test_a_writer_that_was_stopped_with_the_lock_in_its_hand_holds_nobody_up_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, 1)
    code = (
        "import fcntl, sys, time\n"
        "held = open(sys.argv[1]); fcntl.flock(held, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / audit.NAME)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        monkeypatch.setattr(audit, "_LOCK_SECONDS", 0.2)
        with pytest.raises(StoreError, match="another process holds its lock"):
            note(tmp_path, "test", {}, by="test")
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()
    note(tmp_path, "test", {}, by="test")
    assert verify(tmp_path).problems == []


def test_what_was_synced_is_there_after_a_power_cut(card: Card) -> None:
    folder = card.mounted / "state"
    folder.mkdir()
    os.sync()
    _write(folder, 3)
    trail = Trail(folder)
    trail.append("security", {"late": True}, by="test")  # not synced
    after = card.after_a_power_cut("after.img")
    trail.close()
    after.mount()
    try:
        found = list(records(after.mounted / "state"))
        assert [record.data["number"] for record in found[:3]] == [0, 1, 2]
        note(after.mounted / "state", "security", {}, by="test")
        assert verify(after.mounted / "state").problems == []
    finally:
        after.unmount()


def test_a_full_disk_leaves_no_half_record(card: Card) -> None:
    _write(card.mounted, 3)
    with (card.mounted / "filling").open("wb") as filling:
        try:
            while True:
                filling.write(b"x" * 65536)
                filling.flush()
        except OSError:
            pass
    trail = Trail(card.mounted)

    def go_on() -> None:
        for _ in range(100):
            trail.append("security", {"filling": "x" * 3000}, by="test")

    with pytest.raises(StoreError, match="No space left"):
        go_on()
    (card.mounted / "filling").unlink()
    trail.append("security", {"number": "after"}, by="test")
    trail.sync()
    trail.close()
    assert verify(card.mounted).problems == []
