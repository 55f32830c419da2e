"""Text that is nobody's business: sealed on its way, and shown by nothing that shows things."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.actuators.asking import encoded, make_request
from edged.actuators.performer import Wish
from edged.actuators.sealing import seal, unseal
from edged.actuators.sensitive import Text
from edged.errors import RequestRefused, SignatureRefused

KEY, OTHER = bytes(range(32)), bytes(32)
SECRET = "hunter2-Grüße"


def shown(text: Text) -> str:
    """Everything that usually shows an object."""
    wish = Wish("0123456789", "type", text, {}, 0, 1)
    said = [
        repr(text), str(text), f"{text}", f"{text!r}", f"{text!s}", repr([text]), repr({"a": text}),
        repr(wish), str(wish), pprint.pformat(wish), str(dataclasses.fields(wish)),
    ]  # fmt: skip
    shows: tuple[Callable[[Any], object], ...] = (
        vars, dataclasses.asdict, pickle.dumps, copy.copy, copy.deepcopy, json.dumps, msgspec.json.encode,
        msgspec.to_builtins, partial(json.dumps, default=repr),
    )  # fmt: skip
    for show in shows:
        for what in (text, wish):
            try:
                said.append(repr(show(what)))
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not quote
                said.append("".join(traceback.format_exception(error)))
    return "\n".join(said)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "S"]), min_size=4).map("¤Ω".__add__))
def test_nothing_that_shows_an_object_shows_the_text(value: str) -> None:
    for text in (Text(value, sensitive=True), Text(value)):
        assert value not in shown(text)


def test_what_is_shown_is_length_and_hash_and_of_a_secret_none_that_could_be_guessed() -> None:
    assert repr(Text("abc")) == "<3 characters, SHA-256 ba7816bf…>"
    secret = Text("abc", sensitive=True)
    assert "3 characters, salted hash" in repr(secret)
    assert "ba7816bf" not in repr(secret)
    assert repr(secret) == repr(Text("abc", sensitive=True))
    assert repr(secret) != repr(Text("abd", sensitive=True))
    assert repr(Text("\ud800", sensitive=True))


def test_a_secret_is_in_no_log_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    text = Text(SECRET, sensitive=True)
    try:
        raise RuntimeError("no", text)
    except RuntimeError:
        logging.getLogger("x").exception("job %s", text)
    assert SECRET not in caplog.text
    assert "salted hash" in caplog.text


def test_two_texts_are_equal_if_both_text_and_secrecy_are() -> None:
    assert Text("a") == Text("a")
    assert Text("a") != Text("a", sensitive=True)
    assert Text("a") != "a"
    assert len({Text("a"), Text("a"), Text("b")}) == 2


# -- sealed ---------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_sealed_can_be_opened_by_who_has_the_key_and_comes_out_sensitive(value: str) -> None:
    sealed = seal(Text(value, sensitive=True), KEY, "typing", "0123456789")
    assert unseal(sealed, KEY, "typing", "0123456789") == Text(value, sensitive=True)
    assert value == "" or value not in sealed or len(value) < 5


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert len({seal(Text("a"), KEY, "typing", "0123456789") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("key", "actuator", "request_id"),
    [(OTHER, "typing", "0123456789"), (KEY, "other", "0123456789"), (KEY, "typing", "0123456780")],
)
def test_it_opens_only_with_its_key_at_its_place_in_its_request(key: bytes, actuator: str, request_id: str) -> None:
    sealed = seal(Text(SECRET), KEY, "typing", "0123456789")
    with pytest.raises(SignatureRefused, match="cannot be opened") as caught:
        unseal(sealed, key, actuator, request_id)
    assert caught.value.__context__ is None  # nothing that could carry it
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@given(st.data())
def test_not_a_bit_of_it_may_change(data: st.DataObject) -> None:
    raw = bytearray(base64.b64decode(seal(Text(SECRET), KEY, "typing", "0123456789")))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SignatureRefused):
        unseal(base64.b64encode(raw).decode(), KEY, "typing", "0123456789")


@pytest.mark.parametrize(
    "rubbish", ["", "a", "AAAA", "AAAA" * 4, "ü", "\ud800", "=" * 40, "A" * 40 + "\n", "A" * 100_000]
)
def test_rubbish_is_refused(rubbish: str) -> None:
    with pytest.raises(SignatureRefused, match="cannot be opened"):
        unseal(rubbish, KEY, "typing", "0123456789")


# -- asking ---------------------------------------------------------------------------------------------------------


def test_a_request_with_sensitive_text_carries_it_sealed_only() -> None:
    request = make_request("typing", "type", now=1, life_seconds=1, text=Text(SECRET, sensitive=True), key=KEY)
    assert SECRET.encode() not in encoded(request)
    assert "text" not in request
    assert unseal(request["sealed"], KEY, "typing", request["id"]).value == SECRET


def test_without_a_key_sensitive_text_is_not_sent() -> None:
    with pytest.raises(RequestRefused, match="no key to seal it with"):
        make_request("typing", "type", now=1, life_seconds=1, text=Text(SECRET, sensitive=True))


@pytest.mark.parametrize("sensitive", [True, False])
def test_text_that_is_no_unicode_is_refused_without_quoting_it(sensitive: bool) -> None:
    with pytest.raises(RequestRefused, match="is no Unicode") as caught:
        make_request(
            "typing", "type", now=1, life_seconds=1, text=Text(SECRET + "\udcff", sensitive=sensitive), key=KEY
        )
    assert "hunter" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("job_id", ["", "short", "a" * 65, "with space", "a/b/c/d/e", "#", "+++++++++", "ü" * 9])
def test_an_id_that_is_none_is_not_sent(job_id: str) -> None:
    with pytest.raises(RequestRefused, match="8 to 64"):
        make_request("typing", "type", now=1, life_seconds=1, job_id=job_id)


def test_each_request_has_an_id_and_a_nonce_of_its_own() -> None:
    made = [make_request("typing", "type", now=1, life_seconds=1) for _ in range(50)]
    assert len({each["id"] for each in made}) == len({each["nonce"] for each in made}) == 50
