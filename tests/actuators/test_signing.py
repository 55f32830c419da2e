"""Signed requests: the same bytes everywhere, and not one of them may change."""

from __future__ import annotations

import copy
import hashlib
import hmac
import inspect
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged import signing
from edged.actuators.asking import encoded, make_request
from edged.actuators.content import digest
from edged.actuators.sensitive import Text
from edged.errors import RequestRefused, SignatureRefused
from edged.signing import canonical, check_times, signature, verify

KEY = bytes(range(32))
REQUEST: dict[str, Any] = {
    "id": "0123456789abcdef", "actuator": "typing", "action": "type", "text": "Grüße, Zoë! ~^", "nonce": "n" * 32,
    "options": {"b": [1, 2.5, True, None], "a": {"x": "y"}}, "issued_at": 1700000000.125, "expires_at": 1700000030.125,
}  # fmt: skip


def signed(**changes: Any) -> dict[str, Any]:
    request = {**copy.deepcopy(REQUEST), **changes}
    return {**request, "signature": signature(request, KEY)}


def kind(request: dict[str, Any], key: bytes = KEY) -> str:
    try:
        verify(request, key, "typing")
    except SignatureRefused as error:
        return error.kind
    return ""


def test_what_is_signed_is_rfc_8785() -> None:
    # The example of RFC 8785, section 3.2.2 and 3.2.3: numbers, escapes, and keys in the order of UTF-16.
    given = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    wanted = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(given).decode() == wanted
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(keys))) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_a_shell_script_can_sign() -> None:
    line = (
        '{"action":"type","actuator":"typing","expires_at":1700000030,"id":"0123456789","issued_at":1700000000,'
        '"nonce":"1","text":"hi"}'
    )
    given = json.loads(line)
    assert canonical(given).decode() == line
    verify({**given, "signature": hmac.new(KEY, line.encode(), hashlib.sha256).hexdigest()}, KEY, "typing")


def test_the_order_of_names_and_the_way_a_number_is_written_are_not_signed() -> None:
    request = signed()
    assert kind(dict(reversed(request.items()))) == ""
    assert kind({**signed(options={"n": 1}), "options": {"n": 1.0}}) == ""
    assert kind(msgspec.json.decode(encoded(request))) == ""


def test_another_key_another_actuator_no_signature() -> None:
    assert kind(signed()) == ""
    assert kind(signed(), b"\0" * 32) == "altered"
    assert kind(signed(actuator="other")) == "altered"
    assert kind({name: value for name, value in signed().items() if name != "actuator"}) == "altered"
    assert kind(signed(actuator=None)) == "altered"
    assert kind({**signed(), "signature": None}) == "unsigned"
    assert kind(REQUEST) == "unsigned"


@pytest.mark.parametrize("wrong", ["", "0", "ü" * 64, "\ud800" * 64, 5, [], {}, True, "f" * 64, "f" * 10_000])
def test_a_signature_that_is_none(wrong: Any) -> None:
    assert kind({**REQUEST, "signature": wrong}) == "altered"
    assert kind({**REQUEST, "signature": signature(REQUEST, KEY).upper()}) == "altered"
    assert kind({**REQUEST, "signature": signature(REQUEST, KEY)[:-1]}) == "altered"


@pytest.mark.parametrize("value", [2**53, -(2**60), float("inf"), float("nan"), "\ud800", {1: 2}, b"x"])
def test_what_has_no_canonical_form_is_refused_by_both_sides(value: Any) -> None:
    assert kind({**REQUEST, "options": {"x": value}, "signature": "0" * 64}) == "altered"
    with pytest.raises(RequestRefused):
        make_request("typing", "type", now=1, life_seconds=1, options={"x": value}, key=KEY)


def test_signatures_are_compared_in_constant_time() -> None:
    source = inspect.getsource(signing.verify)
    assert "compare_digest" in source
    assert "== wanted" not in source


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1),
        st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(codec="utf-8"), max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


def plain(value: Any) -> Any:
    """As JSON sees it: 1 and 1.0, 0 and -0.0 are one number."""
    return json.loads(canonical({"": value}))[""]


@given(st.sampled_from([*sorted(REQUEST), "sealed", "more"]), JSON)
def test_any_other_value_of_any_field_is_refused(name: str, value: Any) -> None:
    request = signed()
    same = name in REQUEST and json.dumps(plain(value)) == json.dumps(plain(REQUEST[name]))
    assert (kind({**request, name: value}) == "") == same


@given(st.sampled_from(sorted(REQUEST)))
def test_a_field_left_out_is_refused(name: str) -> None:
    assert kind({key: value for key, value in signed().items() if key != name}) == "altered"


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_on_the_way_may_change_what_is_asked(position: int, difference: int) -> None:
    payload = bytearray(encoded(signed()))
    payload[position % len(payload)] ^= difference
    try:
        request = msgspec.json.decode(bytes(payload), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    if kind(request) == "":
        assert canonical(request) == canonical(REQUEST)


@given(JSON)
def test_whatever_is_signed_on_one_side_is_good_on_the_other(value: Any) -> None:
    request = make_request("typing", "type", now=1700000000.1234567, life_seconds=30, options={"x": value}, key=KEY)
    arrived = msgspec.json.decode(encoded(request), type=dict[str, Any])
    verify(arrived, KEY, "typing")
    assert digest("type", None, arrived["options"], KEY) == digest("type", None, {"x": value}, KEY) != ""


def test_two_wishes_have_one_digest_only_if_they_are_one() -> None:
    found = {
        digest("a", None, {}, KEY), digest("b", None, {}, KEY), digest("a", Text("x"), {}, KEY),
        digest("a", Text("x", sensitive=True), {}, KEY), digest("a", Text("y"), {}, KEY), digest("a", None, {"x": 1}, KEY),
        digest("a", None, {"x": True}, KEY), digest("a", None, {}, b"other"), digest("a", Text(""), {}, KEY),
    }  # fmt: skip
    assert len(found) == 9
    assert digest("a", Text("x", sensitive=True), {}, KEY) == digest("a", Text("x", sensitive=True), {}, KEY)


# -- times ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issued", "expires", "kind"),
    [
        (0, 30, ""), (-29.999, 0.001, ""), (10, 40, ""), (-86400 + 1, 1, ""),
        (None, 30, "stale"), (0, None, "stale"), (10.001, 40, "clock"), (3600, 3630, "clock"),
        (-30, 0, "stale"), (-30, -0.001, "stale"), (0, 0, "stale"), (0, -5, "stale"), (5, 4, "stale"),
        (0, 86400.5, "stale"), (-1e300, 1, "stale"), (0, 1e300, "stale"), (1e300, 1e301, "clock"),
    ],
)  # fmt: skip
def test_a_request_is_of_its_moment(issued: float | None, expires: float | None, kind: str) -> None:
    now = 1_700_000_000.0
    at = [None if each is None else now + each for each in (issued, expires)]
    found = ""
    try:
        check_times(at[0], at[1], now, 10, 86400)
    except SignatureRefused as error:
        found = error.kind
    assert found == kind


def test_whose_clock_is_wrong_is_named() -> None:
    with pytest.raises(SignatureRefused, match=r"sender's clock is 60\.0 s ahead .*set both by NTP"):
        check_times(1060, 1090, 1000, 10, 86400)
    with pytest.raises(SignatureRefused, match=r"expired 30\.0 s ago .* or the sender's clock is behind"):
        check_times(940, 970, 1000, 10, 86400)
