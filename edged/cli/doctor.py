"""`edged doctor`: look at camera, models, broker and machine, and say what is wrong and how to cure it."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.text import Text

from edged.cli.options import AsJson, ConfigFile, Set, overrides
from edged.configuration.loading import load
from edged.doctor.examination import Finding, examine


def doctor(
    config: ConfigFile = None,
    source: Annotated[
        Optional[str],
        typer.Option("--source", metavar="URI", help="Look at this camera instead of the one in the settings."),
    ] = None,
    assignments: Set = None,
    as_json: AsJson = False,
) -> None:
    """Look at Python, libraries, frame memory, permissions, camera, models, runtime, broker, temperature, disk and hooks.

    A line for each: ok, or the problem and its cure. Exit status 0 if all is well, 1 if there is a problem.
    """
    given: dict[str, str] = overrides(assignments)
    if source is not None:
        given["capture.source"] = source
    settings = load(config, given)
    # The broker's absence is a finding; the bus need not log it beside.
    logging.getLogger("edged").addHandler(logging.NullHandler())
    console = Console(highlight=False)
    found: list[Finding] = []
    for finding in examine(settings):
        found.append(finding)
        if not as_json:
            console.print(_line(finding), soft_wrap=True)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2, ensure_ascii=False))
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


def _line(finding: Finding) -> Text:
    sign = Text("ok      ", "green") if finding.ok else Text("problem ", "bold red")
    line = Text.assemble(sign, f"{finding.name:<13} ", finding.what)
    if finding.cure:
        line.append(f"\n        cure          {finding.cure}", "bold")
    return line
