"""`edged evidence`: the only door to the pictures, and every use of it is in the trail."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from edged.store import audit
from edged.store.audit import note
from edged.store.audit_check import records, verify
from tests.cli.edged_command import edged
from tests.evidence.making import fill, key_file

DAY = 86400.0


@pytest.fixture
def state() -> Path:
    return Path(os.environ["EDGED_STATE_DIR"])


@pytest.fixture
def evidence(state: Path) -> list[str]:
    """Three files of one camera, recorded as the daemon does it."""
    now = time.time()
    folder = state / "evidence" / "front"
    ids = fill(folder, now - 20 * DAY, now - DAY, now)
    for event in ids:
        digest = hashlib.sha256((folder / f"{event}.evidence").read_bytes()).hexdigest()
        note(state, "evidence", {"what": "kept", "event": event, "sha256": digest}, by="test", camera="front")
    return ids


@pytest.fixture
def key(tmp_path: Path) -> str:
    return f"evidence.key_file={key_file(tmp_path)}"


def _trail(state: Path, what: str) -> list[dict[str, object]]:
    return [record.data for record in records(state) if record.kind == "evidence" and record.data["what"] == what]


def test_the_list_needs_no_key_and_opens_nothing(evidence: list[str], state: Path) -> None:
    found = edged("evidence", "list")
    assert found.returncode == 0, found.stderr
    assert [line.split()[0] for line in found.stdout.splitlines()[:3]] == evidence
    assert "anna" not in found.stdout
    plain = json.loads(edged("evidence", "list", "--json").stdout)
    assert [(each["event"], each["pictures"], each["camera"]) for each in plain] == [
        (id_, 2, "front") for id_ in evidence
    ]
    assert _trail(state, "shown") == []


def test_a_look_is_recorded_before_anything_is_shown(
    evidence: list[str], state: Path, key: str, tmp_path: Path
) -> None:
    found = edged("evidence", "show", evidence[1], "--set", key, "-o", str(tmp_path / "out"))
    assert found.returncode == 0, found.stderr
    assert '"verdict": "spoof"' in found.stdout
    pictures = sorted((tmp_path / "out").iterdir())
    assert [path.read_bytes() for path in pictures] == [b"\xff\xd8 picture 0", b"\xff\xd8 picture 1"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in pictures)
    (look,) = _trail(state, "shown")
    assert (look["event"], look["pictures"]) == (evidence[1], True)
    assert look["user"]


def test_what_cannot_be_recorded_is_not_shown(evidence: list[str], state: Path, key: str, tmp_path: Path) -> None:
    (state / audit.NAME).unlink()
    (state / audit.NAME).mkdir()
    for arguments in (["show", evidence[0], "--set", key, "-o", str(tmp_path / "out")], ["purge", "--all", "--yes"]):
        found = edged("evidence", *arguments)
        assert found.returncode == 1
        assert "audit.jsonl cannot be written" in found.stderr
        assert "spoof" not in found.stdout
    assert not (tmp_path / "out").exists()
    assert len(list((state / "evidence" / "front").iterdir())) == 3


def test_without_pictures_being_asked_for_none_is_written(evidence: list[str], key: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    found = edged("evidence", "show", evidence[0][:20], "--set", key)
    assert found.returncode == 0, found.stderr
    assert "2 pictures" in found.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_pictures_are_nobody_elses_to_read_also_where_a_file_or_a_link_has_the_name(
    evidence: list[str], key: str, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    first, second = (folder / f"{evidence[0]}-{number:02d}.jpg" for number in (1, 2))
    first.touch()
    first.chmod(0o666)
    second.symlink_to(tmp_path / "elsewhere")
    found = edged("evidence", "show", evidence[0], "--output", str(folder), "--set", key)
    assert found.returncode == 0, found.stderr
    assert [path.lstat().st_mode & 0o777 for path in (first, second)] == [0o600, 0o600]
    assert first.stat().st_size > 0
    assert not (tmp_path / "elsewhere").exists()


def test_a_wrong_or_missing_key_is_named_and_never_shown(evidence: list[str], tmp_path: Path, state: Path) -> None:
    assert "evidence keygen" in edged("evidence", "show", evidence[0]).stderr
    other = key_file(tmp_path, os.urandom(32))
    found = edged("evidence", "show", evidence[0], "--set", f"evidence.key_file={other}")
    assert found.returncode == 1
    assert "was sealed with the key" in found.stderr
    assert other.read_text(encoding="ascii").strip() not in found.stderr
    other.chmod(0o644)
    found = edged("evidence", "show", evidence[0], "--set", f"evidence.key_file={other}")
    assert found.returncode == 2
    assert "open to every user" in found.stderr
    assert _trail(state, "shown") == []


def test_keygen_writes_a_key_that_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new.key"
    assert edged("evidence", "keygen", str(path)).returncode == 0
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    assert edged("evidence", "keygen", str(path)).returncode == 1
    assert path.read_bytes() == content


def test_the_key_may_be_a_systemd_credential(evidence: list[str], tmp_path: Path) -> None:
    key_file(tmp_path).rename(tmp_path / "evidence_key")
    found = edged("evidence", "show", evidence[0], environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.returncode == 0, found.stderr
    (tmp_path / "evidence_key").write_text("gibberish", encoding="ascii")
    found = edged("evidence", "show", evidence[0], environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.returncode == 2
    assert "systemd credential evidence_key" in found.stderr
    assert "signing" not in found.stderr
    assert "gibberish" not in found.stderr


def test_what_was_deleted_is_recorded_and_missing_nothing(evidence: list[str], state: Path, key: str) -> None:
    found = edged("evidence", "purge", "--older", "10", "--yes")
    assert (found.returncode, found.stdout) == (0, "deleted 1\n")
    assert [data["event"] for data in _trail(state, "deleted")] == [evidence[0]]
    assert edged("evidence", "verify", "--set", key).stdout == "good   2 files\n"
    assert edged("evidence", "purge", evidence[1], "--yes").returncode == 0
    assert edged("evidence", "purge", "--all", "--yes").returncode == 0
    assert edged("evidence", "list").stdout.startswith("0 in all")


def test_nothing_is_deleted_without_being_named_or_asked(evidence: list[str], state: Path) -> None:
    assert edged("evidence", "purge").returncode == 2
    assert edged("evidence", "purge", "--all").returncode == 1  # nobody there to say yes
    assert len(list((state / "evidence" / "front").iterdir())) == 3


def test_tampering_with_evidence_is_found_and_named(evidence: list[str], state: Path, key: str) -> None:
    folder = state / "evidence" / "front"
    one, other, third = (folder / f"{event}.evidence" for event in evidence)
    content = bytearray(one.read_bytes())
    content[-3] ^= 1
    one.write_bytes(content)
    other.unlink()
    found = edged("evidence", "verify", "--set", key)
    assert found.returncode == 1
    assert f"wrong  {one.name}: picture 2 was altered" in found.stdout
    assert f"wrong  {evidence[1]} was kept and is gone, and nobody recorded that it was deleted" in found.stdout
    assert third.name not in found.stdout
    shown = edged("evidence", "show", evidence[0], "--set", key)
    assert shown.returncode == 1
    assert "picture 2 was altered" in shown.stdout


def test_evidence_that_lies_with_another_camera_is_named(evidence: list[str], state: Path, key: str) -> None:
    other = state / "evidence" / "back"
    other.mkdir()
    name = f"{evidence[0]}.evidence"
    (other / name).write_bytes((state / "evidence" / "front" / name).read_bytes())
    found = edged("evidence", "verify", "--set", key)
    assert found.returncode == 1
    assert f"{name} of camera back is one of camera front" in found.stdout
    shown = edged("evidence", "show", evidence[0], "--set", key)
    assert f"{evidence[0]} of back, {evidence[0]} of front" in shown.stderr


def test_without_the_key_the_trail_still_tells_what_was_altered(evidence: list[str], state: Path) -> None:
    path = state / "evidence" / "front" / f"{evidence[2]}.evidence"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = edged("evidence", "verify")
    assert found.returncode == 1
    assert f"wrong  {path.name} is not what was kept" in found.stdout


def test_what_is_not_there_is_said_with_a_cure(evidence: list[str]) -> None:
    assert "edged evidence list" in edged("evidence", "show", "ffffffff").stderr
    assert "may mean 3 events" in edged("evidence", "show", "-").stderr + edged("evidence", "show", "--", "-").stderr
    assert "no evidence of camera back" in edged("evidence", "list", "--camera", "back").stderr


def test_copies_are_refused_where_nobody_wished_for_them() -> None:
    found = edged("evidence", "upload", "--once")
    assert found.returncode == 2
    assert "evidence.upload.enabled" in found.stderr


def test_the_trail_of_all_this_is_good(evidence: list[str], state: Path, key: str) -> None:
    edged("evidence", "show", evidence[0], "--set", key)
    edged("evidence", "purge", evidence[0], "--yes")
    assert verify(state).problems == []
