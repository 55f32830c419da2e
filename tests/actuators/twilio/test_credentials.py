from __future__ import annotations

import copy
import pickle
import traceback
from pathlib import Path

import pytest

from edged.actuators.twilio.credentials import Credentials, find_credentials
from edged.errors import SettingsError
from tests.actuators.twilio.house import credentials_file
from tests.actuators.twilio.stand_in import ACCOUNT, TOKEN

KEY, SECRET = "SK" + "0f" * 16, "s3cret" + "9a" * 13


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def test_credentials_come_from_a_file(tmp_path: Path) -> None:
    found = find_credentials(credentials_file(tmp_path), "twilio", {})
    assert found is not None
    assert (found.account, found.username, found.password, found.token) == (ACCOUNT, ACCOUNT, TOKEN, TOKEN)


def test_credentials_come_from_systemd(tmp_path: Path) -> None:
    credentials_file(tmp_path).rename(tmp_path / "twilio")
    found = find_credentials(None, "twilio", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found is not None
    assert found.password == TOKEN


def test_credentials_come_from_the_environment() -> None:
    found = find_credentials(None, "twilio", {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN})
    assert found is not None
    assert found.password == TOKEN


def test_the_file_goes_before_systemd_and_that_before_the_environment(tmp_path: Path) -> None:
    first = private(tmp_path / "first", f"TWILIO_ACCOUNT_SID={ACCOUNT}\nTWILIO_AUTH_TOKEN=first\n")
    private(tmp_path / "twilio", f"TWILIO_ACCOUNT_SID={ACCOUNT}\nTWILIO_AUTH_TOKEN=second\n")
    surroundings = {
        "CREDENTIALS_DIRECTORY": str(tmp_path), "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "third",
    }  # fmt: skip
    tokens = [
        find_credentials(first, "twilio", surroundings),
        find_credentials(None, "twilio", surroundings),
        find_credentials(None, "absent", surroundings),
    ]
    assert [each.token for each in tokens if each is not None] == ["first", "second", "third"]


def test_an_api_key_asks_and_the_token_is_for_callbacks_only(tmp_path: Path) -> None:
    text = f'export TWILIO_ACCOUNT_SID="{ACCOUNT}"\nTWILIO_API_KEY = {KEY}\nTWILIO_API_SECRET={SECRET}\n'
    found = find_credentials(private(tmp_path / "c", text), "twilio", {})
    assert found is not None
    assert (found.account, found.username, found.password, found.token) == (ACCOUNT, KEY, SECRET, "")


def test_without_any_there_are_none() -> None:
    assert find_credentials(None, "twilio", {}) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("TWILIO_AUTH_TOKEN=hunter2hunter2\n", "TWILIO_ACCOUNT_SID: is missing"),
        (f"TWILIO_ACCOUNT_SID={ACCOUNT}\n", "TWILIO_AUTH_TOKEN: is missing"),
        ("TWILIO_ACCOUNT_SID=hunter2\nTWILIO_AUTH_TOKEN=hunter2\n", "TWILIO_ACCOUNT_SID: is not AC"),
        (f"TWILIO_ACCOUNT_SID={ACCOUNT}\nTWILIO_API_KEY={KEY}\nTWILIO_AUTH_TOKEN=hunter2\n", "go together"),
        (f"TWILIO_ACCOUNT_SID={ACCOUNT}\nTWILIO_AUTH_TOKEN=hunter2 hunter2\n", "has signs in it"),
        (f"TWILIO_ACCOUNT_SID={ACCOUNT}\nTWILIO_AUTH_TOKEN=hunter2ü\n", "has signs in it"),
        ("hunter2\n", "line 1 is not NAME=VALUE"),
        (f"TWILIO_ACCOUNT_SID={ACCOUNT}\nTWILIO_TOKEN=hunter2\n", "line 2 is not NAME=VALUE"),
        ("", "TWILIO_ACCOUNT_SID: is missing"),
    ],
)
def test_what_is_wrong_is_named_and_never_shown(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        find_credentials(private(tmp_path / "c", text), "twilio", {})
    assert named in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown
    assert SECRET not in shown


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = credentials_file(tmp_path)
    path.chmod(0o644)
    with pytest.raises(SettingsError, match=r"open to every user of this machine \(chmod o= "):
        find_credentials(path, "twilio", {})


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        find_credentials(tmp_path / "absent", "twilio", {})
    path = tmp_path / "c"
    path.touch(mode=0o600)
    path.write_bytes(b"\xff\xfe hunter2")
    with pytest.raises(SettingsError, match="is no UTF-8 text") as caught:
        find_credentials(path, "twilio", {})
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_credentials_show_nothing_of_themselves() -> None:
    made = Credentials(ACCOUNT, ACCOUNT, TOKEN, TOKEN)
    for shown in (repr(made), str(made), f"{made!r:>40}"):
        assert TOKEN not in shown
        assert ACCOUNT not in shown
    assert not hasattr(made, "__dict__")
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(made)
    with pytest.raises(TypeError, match="not pickled"):
        copy.copy(made)
