"""Every event there is can be told in a few words."""

from __future__ import annotations

import pytest

from edged import events
from edged.wording import body_text

SAMPLES: list[tuple[events.EventBody, str]] = [
    (events.Presence("arrived", 1, 1), "somebody arrived"),
    (events.Presence("count", 2, 1), "2 people"),
    (events.Gaze("left", None, "right", 1, 9.0, 1), "looks left"),
    (events.Dwell("at_screen", "none", 1, 1500.0, 1), "dwells at screen, 1.5 s"),
    (events.Blink("double", 1, 2, 300.0, 0.1, "none", 1), "double blink, 300 ms"),
    (events.Drowsy(True, 20.0, 60.0), "drowsy, PERCLOS 20 %"),
    (events.Health("ok", "starting", "status", "all is well"), "health ok: all is well"),
    (events.Config("rolled_back", 3, ["capture.width"], "no camera"), "settings rolled back: capture.width"),
    (events.HookSaid("too-close", {"too_close": True}), 'too-close says {"too_close":true}'),
    (events.Who("known", "Ada", None, "undecided", None, 0.7, 0.4, 3, 4, 1), "it is Ada"),
    (events.Who("unknown", None, "unknown-3", "known", "Ada", 0.1, 0.4, 3, 4, 1), "a stranger, unknown-3"),
    (events.Who("unknown", None, None, "undecided", None, None, None, 3, 4, 1), "a stranger, not seen before"),
    (events.Who("undecided", None, None, "known", "Ada", None, None, 0, 4, 1), "nobody knows who"),
    (events.Alive("spoof", "print", 0.9, ["network"], "undecided", 1), "a spoof (print)"),
    (events.Alive("live", None, 0.9, ["network"], "undecided", 1), "a live face"),
    (events.Challenge("asked", "turn_left", 1, 2, 9.0, "", 1), "challenge asked, turn left"),
    (events.Challenge("failed", None, 1, 2, 0.0, "too late", 1), "challenge failed: too late"),
    (events.Object("appeared", "phone", 1, 0.8, True, 1), "phone appeared"),
    (events.Object("count", "person", 2, 0.8, False, None), "2 persons"),
    (
        events.Seat(
            "wrong_user",
            "right_user",
            False,
            False,
            "enforce",
            ["lock"],
            events.Advice(lock=True),
            [],
            [],
            "Eve",
            1,
            9.0,
            1,
        ),
        "seat: wrong user, advice: lock",
    ),
]


@pytest.mark.parametrize(("body", "words"), SAMPLES)
def test_an_event_in_a_few_words(body: events.EventBody, words: str) -> None:
    assert body_text(body) == words


def test_no_event_is_without_words() -> None:
    assert {type(body) for body, _ in SAMPLES} == set(events.EVENT_TYPES)
