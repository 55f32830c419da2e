from __future__ import annotations

import copy
import dataclasses
import hashlib
import pickle
import subprocess
import sys

import msgspec
import pytest

from edged.actuators.sensitive import Text

SECRET = "1234"
SHOW = "from edged.actuators.sensitive import Text; print(repr(Text('1234', sensitive=True)))"


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{0!r:>60}".format, lambda text: f"{text}"])
def test_text_shows_its_length_and_hash_only(shown: object) -> None:
    assert callable(shown)
    for sensitive in (False, True):
        assert SECRET not in shown(Text(SECRET, sensitive=sensitive))
        assert "4 characters" in shown(Text(SECRET, sensitive=sensitive))


def test_the_hash_of_text_that_is_not_sensitive_is_sha_256() -> None:
    assert Text("Grüße").fingerprint == hashlib.sha256("Grüße".encode()).hexdigest()[:8]


def test_the_hash_of_a_secret_cannot_be_found_by_trying_all_secrets() -> None:
    guesses = {hashlib.sha256(f"{guess:04}".encode()).hexdigest()[:8] for guess in range(10_000)}
    assert Text(SECRET, sensitive=True).fingerprint not in guesses
    assert Text(SECRET, sensitive=True).fingerprint == Text(SECRET, sensitive=True).fingerprint
    elsewhere = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True).stdout
    assert Text(SECRET, sensitive=True).fingerprint not in elsewhere


def test_what_writes_out_objects_gets_nothing() -> None:
    text = Text(SECRET, sensitive=True)
    with pytest.raises(TypeError):
        pickle.dumps(text)
    with pytest.raises(TypeError):
        copy.copy(text)
    with pytest.raises(TypeError):
        msgspec.json.encode(text)
    with pytest.raises(TypeError):
        dataclasses.asdict(text)  # type: ignore[call-overload]
    assert not hasattr(text, "__dict__")


def test_texts_are_equal_when_value_and_sensitivity_are() -> None:
    assert Text("a") == Text("a")
    assert Text("a") != Text("a", sensitive=True)
    assert len({Text("a"), Text("a"), Text("b")}) == 2
