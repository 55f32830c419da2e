"""The demo's judge: what is matched, missed and false."""

from __future__ import annotations

from typing import Any

import pytest

from edged.capture.sitter_script import Script, parse
from edged.demo.scoring import Watched, score
from edged.settings import JudgementSettings

RATE = 30.0
SETTINGS = JudgementSettings()
TABLE: dict[str, Any] = {
    "sitter": {"duration_seconds": 10.0},
    "do": [
        {"at": 0.5, "what": "arrive", "seconds": 0.5},
        {"at": 2.0, "what": "blink"},
        {"at": 3.0, "what": "look", "zone": "left"},
        {"at": 5.0, "what": "look", "zone": "at_screen"},
        {"at": 7.0, "what": "leave", "seconds": 0.5},
    ],
}
WHOLE = Watched(0.0, 10.0)


@pytest.fixture(name="script")
def _script() -> Script:
    return parse(TABLE)


def told(script: Script) -> list[dict[str, Any]]:
    """The events of a judge that never errs."""
    names = {"blink": "gesture", "gaze": "zone", "presence": "change"}
    return [
        {
            "id": str(number),
            "kind": one.kind,
            names[one.kind]: one.name,
            "first_frame": one.first_frame,
            "frame": one.first_frame,
        }
        for number, one in enumerate(script.happenings(RATE, 10.0))
    ]


def test_a_judge_that_never_errs_matches_everything(script: Script) -> None:
    result = score(script, told(script), WHOLE, SETTINGS, RATE)
    assert (result.matched, result.missed, result.false) == (len(told(script)), [], [])
    assert result.matched == 6, "arrival, screen, blink, left, screen, departure"


def test_what_was_not_told_is_missed(script: Script) -> None:
    events = [event for event in told(script) if event["kind"] != "blink"]
    assert [one.name for one in score(script, events, WHOLE, SETTINGS, RATE).missed] == ["single"]


def test_what_did_not_happen_is_false(script: Script) -> None:
    invented = {"id": "x", "kind": "blink", "gesture": "double", "first_frame": 61, "frame": 80}
    assert score(script, [*told(script), invented], WHOLE, SETTINGS, RATE).false == [invented]


def test_telling_the_same_twice_is_false_once(script: Script) -> None:
    events = told(script)
    again = {**events[-1], "id": "again"}
    assert score(script, [*events, again], WHOLE, SETTINGS, RATE).false == [again]


def test_the_wrong_gesture_is_both_missed_and_false(script: Script) -> None:
    events = [{**event, "gesture": "long"} if event["kind"] == "blink" else event for event in told(script)]
    result = score(script, events, WHOLE, SETTINGS, RATE)
    assert (len(result.missed), len(result.false)) == (1, 1)


def test_a_blink_told_for_another_moment_is_false(script: Script) -> None:
    events = [
        {**event, "first_frame": event["first_frame"] + 15} if event["kind"] == "blink" else event
        for event in told(script)
    ]
    result = score(script, events, WHOLE, SETTINGS, RATE)
    assert (len(result.missed), len(result.false)) == (1, 1)


def test_what_began_before_watching_need_not_be_told_but_may(script: Script) -> None:
    late = Watched(2.5, 10.0)
    events = [event for event in told(script) if event["first_frame"] > 2.5 * RATE]
    assert score(script, events, late, SETTINGS, RATE).missed == []
    arrived = {"id": "a", "kind": "presence", "change": "arrived", "first_frame": 76, "frame": 85}
    assert score(script, [arrived, *events], late, SETTINGS, RATE).false == []


def test_what_could_not_be_told_by_the_end_is_not_missed(script: Script) -> None:
    early = Watched(0.0, 7.2)
    events = [event for event in told(script) if event["first_frame"] < 6 * RATE]
    assert score(script, events, early, SETTINGS, RATE).missed == []


def test_a_dwell_must_be_where_the_sitter_looks(script: Script) -> None:
    right = {"id": "r", "kind": "dwell", "zone": "left", "frame": 125}
    wrong = {"id": "w", "kind": "dwell", "zone": "right", "frame": 125}
    assert score(script, [*told(script), right, wrong], WHOLE, SETTINGS, RATE).false == [wrong]
