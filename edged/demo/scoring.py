"""What the sitter did against what edged told: matched, missed, false. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edged.capture.sitter_script import Happened, Script
from edged.settings import JudgementSettings

# Frames early or late by which an event may claim to have begun, beside the debounce that delays it: lids pass a
# threshold a frame or two from where the script calls them closed, and a saccade takes two frames.
_SLACK_SECONDS = 0.2
# An arrival begins when the face can first be told from the edge of the picture.
_PRESENCE_SLACK_SECONDS = 0.7
# What a told event may lag behind the settings' own waits: analysis, delivery.
_DELIVERY_SECONDS = 0.5
_JUDGED = ("blink", "gaze", "presence")


@dataclass
class Score:
    """matched: truths that were told; missed: truths that were not; false: told events without a truth."""

    matched: int = 0
    missed: list[Happened] = field(default_factory=list)
    false: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Watched:
    """From when to when, in stream seconds, the sitter was watched."""

    begin_seconds: float
    end_seconds: float


def told_within(truth: Happened, settings: JudgementSettings) -> float:
    """The stream time by which an event of this truth must have been told."""
    if truth.kind == "blink":
        wait = settings.blink.group_seconds
        return (
            (truth.at_seconds if truth.name == "long" else truth.until_seconds)
            + wait
            + _DELIVERY_SECONDS
            + (settings.blink.long_seconds if truth.name == "long" else 0.0)
        )
    if truth.kind == "gaze":
        wait = settings.gaze.closed_seconds if truth.name == "eyes_closed" else settings.gaze.settle_seconds
        return truth.at_seconds + wait + settings.presence.arrive_seconds + _PRESENCE_SLACK_SECONDS + _DELIVERY_SECONDS
    wait = settings.presence.arrive_seconds if truth.name == "arrived" else settings.presence.leave_seconds
    return truth.at_seconds + wait + _PRESENCE_SLACK_SECONDS + _DELIVERY_SECONDS


def score(
    script: Script,
    events: Sequence[dict[str, Any]],
    watched: Watched,
    settings: JudgementSettings,
    frames_per_second: float,
) -> Score:
    """Hold events (payloads as on their topics) against the script.

    What began before watching did, or could not have been told by its end, may be told but need not be. A dwell is
    right if the sitter does look there.
    """
    truths = script.happenings(frames_per_second, watched.end_seconds)
    result = Score()
    open_truths = list(truths)
    for event in events:
        if event["kind"] == "dwell":
            zone = script.truth_at(max(0, event["frame"]) / frames_per_second).zone
            if zone != event["zone"]:
                result.false.append(event)
            continue
        if event["kind"] not in _JUDGED:
            continue
        found = _find(open_truths, event, frames_per_second, watched)
        if found is None:
            result.false.append(event)
        else:
            open_truths.remove(found)
            result.matched += 1
    result.missed = [
        truth
        for truth in open_truths
        if truth.at_seconds >= watched.begin_seconds and told_within(truth, settings) <= watched.end_seconds
    ]
    return result


def _name(event: dict[str, Any]) -> str:
    return str(event[{"blink": "gesture", "gaze": "zone", "presence": "change"}[event["kind"]]])


def _find(
    truths: Iterable[Happened], event: dict[str, Any], frames_per_second: float, watched: Watched
) -> Happened | None:
    """The first truth that this event tells."""
    slack = _PRESENCE_SLACK_SECONDS if event["kind"] == "presence" else _SLACK_SECONDS
    for truth in truths:
        if truth.kind != event["kind"] or truth.name != _name(event):
            continue
        began = event["first_frame"] / frames_per_second
        # Who was there before watching began is told when it did.
        latest = max(truth.at_seconds, watched.begin_seconds) + slack
        if truth.kind == "gaze" and _after_absence(truth):
            latest += _PRESENCE_SLACK_SECONDS
        if truth.at_seconds - slack <= began <= max(latest, truth.at_seconds + slack):
            return truth
    return None


def _after_absence(truth: Happened) -> bool:
    """A look at the screen may be the first after an arrival, and then begins when the face was first seen."""
    return truth.name == "at_screen"
