"""Texts with fields in them: looked up, never computed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.actuators.templates import check_template, fill, has_fields


@pytest.mark.parametrize("good", ["", "plain", "{a}", "{a.b_c.d}", "{{a}}", "a{b}c{d}", "{ä-1}", "{0}"])
def test_these_are_templates(good: str) -> None:
    check_template(good)


@pytest.mark.parametrize(
    "wrong",
    ["{", "}", "{}", "{a", "{a!r}", "{a:>10}", "{a[0]}", "{a..b}", "{.a}", "{a.}", "{a b}", "{ a}", "{a{b}}",
     "{a:{b}}", "{}{}", "{__import__('os')}", "{a!}"],
)  # fmt: skip
def test_these_are_none(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"brace|field|format|conversion|expected"):
        check_template(wrong)


def test_only_what_stands_for_a_field_counts_as_one() -> None:
    assert has_fields("x{a}")
    assert not has_fields("{{a}}")


def test_values_are_written_as_people_write_them() -> None:
    fields = {
        "t": True, "f": False, "n": None, "i": 12345678901234567890, "d": 0.1 + 0.2, "w": 3.0, "big": 1234567.25,
        "l": [1, True, "x"], "m": {"a": "ü"},
    }  # fmt: skip
    written = "yes no unknown 12345678901234567890 0.3 3 1234567.25 1, yes, x"
    assert fill("{t} {f} {n} {i} {d} {w} {big} {l}", fields) == written
    assert fill("{m}", fields) == '{"a":"ü"}'


def test_attributes_of_values_cannot_be_reached() -> None:
    for name in ("s.__class__", "s.upper", "l.0", "s.__class__.__mro__"):
        with pytest.raises(KeyError):
            fill("{" + name + "}", {"s": "x", "l": [1]})


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\tb", "a\x1bb", "a\x00b", "a\u2028b", "a\u0085b", "a\x7fb"])
def test_whoever_may_publish_a_field_cannot_press_a_key_with_it(value: str) -> None:
    assert fill("{x}", {"x": value}) == "a b"
    assert fill("{x}", {"x": [value]}) == "a b"
    assert fill("\n{x}\t", {"x": "y"}) == "\ny\t"  # the owner's own may


@given(st.text(), st.text())
def test_a_value_is_never_a_template_itself(before: str, value: str) -> None:
    escaped = before.replace("{", "{{").replace("}", "}}")
    check_template(escaped + "{x}")
    filled = fill(escaped + "{x}", {"x": value})
    assert filled.startswith(before)
    assert len(filled) == len(before) + len(value)
    assert filled.count("{") == before.count("{") + value.count("{")
