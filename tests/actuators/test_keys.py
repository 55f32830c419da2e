"""The key file: made once, for one user, and read by nobody else."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from edged.errors import SettingsError, StoreError
from edged.keys import find_key, make_key, read_key


def test_a_key_is_random_and_for_its_owner_only(tmp_path: Path) -> None:
    os.umask(os.umask(0))
    keys = []
    for number in range(3):
        file = tmp_path / f"{number}.key"
        make_key(file)
        assert file.stat().st_mode & 0o777 == 0o600
        keys.append(read_key(file))
    assert len(set(keys)) == 3
    assert {len(each) for each in keys} == {32}


def test_a_key_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    make_key(file)
    before = file.read_bytes()
    with pytest.raises(StoreError, match="is there already"):
        make_key(file)
    assert file.read_bytes() == before
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is there already"):
        make_key(link)


def test_on_a_full_disk_no_half_key_is_left(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, usual[1]))
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            make_key(tmp_path / "a.key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="cannot be written"):
        make_key(tmp_path / "no" / "folder")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o666])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "a.key"
    make_key(file)
    file.chmod(mode)
    with pytest.raises(SettingsError, match="open to every user") as caught:
        read_key(file)
    assert f"chmod o= {file}" in str(caught.value)
    assert file.read_text(encoding="ascii").strip() not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"secret", b"ab" * 31, b"ab" * 33, b"ab" * 5000, b"\xff" * 64, b"zz" * 32])
def test_what_is_no_key_is_refused_and_never_quoted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(SettingsError, match=r"signing\.key_file") as caught:
        read_key(file)
    for part in (content.decode("latin-1"), "secret", "zzzz", "abab"):
        assert not part or part not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_folder_and_nothing_are_no_keys(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "x"):
        with pytest.raises(SettingsError, match="cannot be read"):
            read_key(path)


def test_white_space_and_capitals_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    file.write_text("  " + "AB" * 32 + "\n\n", encoding="ascii")
    file.chmod(0o600)
    assert read_key(file) == b"\xab" * 32


def test_a_credential_comes_before_the_file_of_the_settings(tmp_path: Path) -> None:
    for name in ("a.key", "actuator_key"):
        make_key(tmp_path / name)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    # The file may be closed to the user that the unit runs as: it is not even looked at.
    assert find_key(tmp_path / "nowhere", "actuator_key", environment) == read_key(tmp_path / "actuator_key")
    assert find_key(tmp_path / "a.key", "other", environment) == read_key(tmp_path / "a.key")
    assert find_key(None, "actuator_key", environment) == read_key(tmp_path / "actuator_key")
    assert find_key(None, "other", environment) is None
    assert find_key(None, "actuator_key", {}) is None
    (tmp_path / "actuator_key").write_text("x", encoding="ascii")
    with pytest.raises(SettingsError, match=r"signing\.credential"):
        find_key(None, "actuator_key", environment)
