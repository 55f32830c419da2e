"""The runbook knows every reason that health can give: it would be of no use for those that it leaves out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.daemon.health import START_SECONDS, ChildCondition, judge_health
from edged.messages import CaptureReport, InferenceReport
from tests.daemon.test_health import CAPTURE, INFERENCE, WELL

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (
    (ROOT / "docs/operations.md").read_text(encoding="utf-8").partition("## What health says")[2].partition("\n## ")[0]
)

# Sentences that reach health from elsewhere, by the file that has them.
ELSEWHERE = {
    "edged/inference/process.py": ["the board is too slow for every frame"],
    "edged/store/kept.py": ["settings from afar, a block of the seat and a pause are not kept over a restart"],
    "edged/daemon/daemon.py": ["events are not kept over a restart: ", "the database was damaged and begun anew"],
    "edged/store/history.py": ["past events were damaged and begun anew"],
    "edged/daemon/recorder.py": ["not everything is recorded: ", "the audit trail is not what was written"],
    "edged/daemon/evidence.py": ["evidence is not kept: ", "the last evidence was not kept: "],
    "edged/daemon/trust.py": ["no signed command is taken: ", "a block of the seat could not be released: "],
    "edged/actuators/gate.py": ["the last requests came "],
}


def fragments() -> list[re.Pattern[str]]:
    """What stands between backticks; … is anything."""
    return [
        re.compile(".+".join(map(re.escape, each.split("…"))))
        for each in re.findall(r"`([^`]+)`", RUNBOOK)
        if len(each) > 12
    ]


def reasons() -> Iterator[str]:
    dying = ChildCondition("inference", running=False, waiting=True, trouble="it was killed", in_a_row=5)
    once = dataclasses.replace(dying, in_a_row=1)
    new = dataclasses.replace(dying, in_a_row=0, trouble="")
    silent = dataclasses.replace(WELL, observed_ago=None)
    for condition in (
        dataclasses.replace(WELL, paused=True),
        dataclasses.replace(WELL, capture=CaptureReport("lost", "toy", reason="/dev/video0: gone")),
        dataclasses.replace(silent, capture=None, started_ago=START_SECONDS + 1),
        dataclasses.replace(silent, capture=None, started_ago=1.0),
        dataclasses.replace(silent, started_ago=1.0),
        dataclasses.replace(silent, started_ago=1.0, children=(CAPTURE, dataclasses.replace(INFERENCE, running=False))),
        dataclasses.replace(silent, streaming_ago=0.5),
        dataclasses.replace(silent),
        *(dataclasses.replace(silent, children=(CAPTURE, child)) for child in (dying, once, new)),
        dataclasses.replace(silent, children=(dataclasses.replace(dying, name="capture"), INFERENCE)),
        dataclasses.replace(WELL, inference=InferenceReport("toy", [], ["iris"], []), hot=True, slowed_to=9.6),
        *(
            dataclasses.replace(WELL, throttling=(words,))
            for words in ("under-voltage", "throttled", "frequency capped", "soft temperature limit", "over-current",
                          "clock lowered by the kernel")
        ),
    ):  # fmt: skip
        yield from judge_health(condition).reasons


def test_every_reason_of_the_pipeline_and_the_board_is_in_the_runbook() -> None:
    known = fragments()
    for reason in reasons():
        assert any(pattern.search(reason) for pattern in known), reason


@pytest.mark.parametrize("path", sorted(ELSEWHERE))
def test_every_reason_from_elsewhere_is_in_the_runbook(path: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    for sentence in ELSEWHERE[path]:
        assert sentence in source, "it says something else now: the runbook and this table must follow"
        assert sentence.strip() in RUNBOOK


def test_every_cure_of_throttling_is_reachable_from_the_runbook() -> None:
    sections = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK):
        assert re.search(rf"^## {name.replace('-', '.')}$", sections, re.MULTILINE | re.IGNORECASE), name
