"""`edged judge`: replay recorded observations to the same events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edged.analysis import EventLines, recorded, replay
from edged.cli.options import ConfigFile, Set, overrides
from edged.configuration import loading as configuration


def judge(
    recording: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Written by edged watch --observations.")],
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Replay recorded observations and print the events as JSON, one a line.

    With the settings of the recording they are the same to the letter; with others it shows what those would
    have made of it, e.g. --set judgement.gaze.side_degrees=15.
    """
    settings = configuration.load(config, overrides(set_))
    lines = EventLines(settings.camera)
    for step in replay(settings.judgement, recorded(recording)):
        for happening in step.happenings:
            print(json.dumps(lines.payload(happening), separators=(",", ":")), flush=True)
