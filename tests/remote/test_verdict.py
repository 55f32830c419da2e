from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.configuration.options import leaves, remote_of
from edged.remote.patch import merged
from edged.remote.verdict import Accepted, Rejected, awaiting_restart, differing, judge, taken_over
from edged.settings import Settings
from tests.remote.bad_payloads import bad_config

FILE = Settings()


def rejected(payload: bytes | Any, overlay: dict[str, Any] | None = None) -> dict[str, str]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    verdict = judge(FILE, overlay or {}, body, "config/set")
    assert isinstance(verdict, Rejected), verdict
    return {problem.path: problem.reason for problem in verdict.problems}


def accepted(payload: Any, overlay: dict[str, Any] | None = None, *, change: bool = False) -> Accepted:
    verdict = judge(FILE, overlay or {}, json.dumps(payload).encode(), "config/change" if change else "config/set")
    assert isinstance(verdict, Accepted), verdict
    return verdict


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not json", "is not JSON"),
        (b"[]", "a list"),
        (b"null", "null"),
        (b'"text"', "a text"),
        (b"3", "a number"),
        ('{"camera": "x"}'.encode("utf-16"), "UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"[" * 60000, "nested"),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "nested"),
        (b" " * 70000, "bytes"),
        (b'{"a": 1', "is not JSON"),
        (b"\x00\x01", "is not JSON"),
    ],
)
def test_what_is_no_patch_is_named(payload: bytes, reason: str) -> None:
    assert reason in rejected(payload)["payload"]


def test_a_path_written_as_one_name_is_told_how_to_nest_it() -> None:
    verdict = judge(FILE, {}, b'{"judgement.gaze.dwell_seconds": 2}', "config/set")
    assert isinstance(verdict, Rejected)
    (problem,) = verdict.problems
    assert problem.reason == "is written as one name"
    assert problem.cure == 'nest it: {"judgement": {"gaze": {"dwell_seconds": …}}}'


def test_nothing_is_read_out_of_texts() -> None:
    wrong = rejected({"inference": {"max_faces": "3", "stages": {"iris": 1}}, "capture": {"width": True}})
    assert set(wrong) == {"inference.max_faces", "inference.stages.iris", "capture.width"}


def test_settings_of_the_owner_alone_cannot_be_set() -> None:
    for leaf in leaves():
        value: Any = "x"
        for name in reversed(leaf.path.split(".")):
            value = {name: value}
        verdict = judge(FILE, {}, json.dumps(value).encode(), "config/set")
        if remote_of(leaf.field) == "never":
            assert isinstance(verdict, Rejected)
            assert [(one.path, "cannot be set from afar" in one.reason) for one in verdict.problems] == [
                (leaf.path, True)
            ]
            assert verdict.problems[0].value is None


GUARDING = Settings.model_validate(
    {
        "inference": {"recognition": {"enabled": True}, "liveness": {"enabled": True}, "objects": {"enabled": True}},
        "judgement": {"security": {"enabled": True}},
    }
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("inference.liveness.enabled", False),
        ("inference.liveness.smallest_face_pixels", 1000),
        ("inference.objects.enabled", False),
        ("inference.lens.enabled", False),
        ("inference.recognition.recheck_seconds", 60.0),
        ("judgement.objects.phone_score", 1.0),
    ],
)
def test_what_the_policy_sees_by_cannot_be_set_while_it_is_on(path: str, value: Any) -> None:
    wish: Any = value
    for name in reversed(path.split(".")):
        wish = {name: wish}
    verdict = judge(GUARDING, {}, json.dumps(wish).encode(), "config/change")
    assert isinstance(verdict, Rejected)
    (problem,) = verdict.problems
    assert (problem.path, problem.value, problem.cure) == (path, value, "set it in the settings file")
    assert "judgement.security" in problem.reason
    # Without a policy they may be tuned, and so may the rest with one.
    assert isinstance(judge(FILE, {}, json.dumps(wish).encode(), "config/change"), Accepted)
    other = b'{"judgement": {"gaze": {"dwell_seconds": 2}}}'
    assert isinstance(judge(GUARDING, {}, other, "config/change"), Accepted)


def test_settings_that_do_not_go_together_are_refused_as_a_whole() -> None:
    assert rejected({"judgement": {"blink": {"close_openness": 0.9}}})


def test_lists_and_whole_numbers_are_what_json_has() -> None:
    verdict = accepted({"capture": {"crop": [0, 0, 0.5, 1], "frames_per_second": 10}})
    assert verdict.settings.capture.crop == (0, 0, 0.5, 1)


def test_a_change_takes_back_what_is_null_and_empty_sections_vanish() -> None:
    overlay = {"judgement": {"gaze": {"dwell_seconds": 2.0}}, "inference": {"max_faces": 4}}
    verdict = accepted({"judgement": {"gaze": {"dwell_seconds": None}}}, overlay, change=True)
    assert verdict.overlay == {"inference": {"max_faces": 4}}


def test_live_settings_are_swapped_and_the_others_wait() -> None:
    wanted = accepted({"capture": {"width": 320}, "judgement": {"gaze": {"dwell_seconds": 2.0}}}).settings
    running = taken_over(FILE, wanted)
    assert differing(FILE, running) == ["judgement.gaze.dwell_seconds"]
    assert awaiting_restart(running, wanted) == ["capture.width"]


# RFC 7396, appendix A, the cases whose target and result are objects; an object left empty by a removal is not kept here.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ],
)
def test_merge_patches(target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    assert merged(target, patch) == result


KEYS = [*sorted({part for leaf in leaves() for part in leaf.path.split(".")}), "", "x" * 300, "ä", "__proto__"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=1000, deadline=None)
@given(payload=st.binary(max_size=300) | st.builds(lambda value: json.dumps(value).encode(), VALUES))
def test_whatever_comes_is_accepted_as_valid_settings_or_refused_with_reasons(payload: bytes) -> None:
    verdict = judge(FILE, {}, payload, "config/set")
    if isinstance(verdict, Accepted):
        assert Settings.model_validate(verdict.settings.model_dump()) == verdict.settings
    else:
        assert verdict.problems
        assert all(problem.path and problem.reason for problem in verdict.problems)
        assert len(json.dumps([str(problem) for problem in verdict.problems])) < 200_000


def test_five_thousand_bad_payloads_are_each_refused_with_a_reason() -> None:
    refused = 0
    for payload in bad_config(random.Random(3)):
        verdict = judge(FILE, {}, payload, "config/change")
        if isinstance(verdict, Accepted):
            continue  # what is no rubbish after all: a value that fits by chance, or an empty wish
        assert verdict.problems
        assert all(problem.path and problem.reason for problem in verdict.problems)
        refused += 1
        if refused == 5000:
            return
