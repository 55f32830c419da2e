"""`edged upgrade-check`: what stands in the way of this version."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.text import Text

from edged.care.places import places
from edged.care.upgrade import Finding, check, shipped_units
from edged.cli.backup import SettingsFolder, StateFolder
from edged.cli.options import AsJson


def upgrade_check(
    settings: SettingsFolder = None,
    state: StateFolder = None,
    units: Annotated[
        Optional[Path],
        typer.Option("--units", metavar="FOLDER", help="This version's units; else those beside it, if there are any."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look whether this version reads what is on disk: settings, databases, models, units, room. Changes nothing.

    Exit status 1 if something stands in the way. Run it with the new version, before daemons are started with it.
    """
    found = list(check(places(settings, state), units or shipped_units()))
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in found:
            console.print(_line(finding))
    if any(finding.blocks for finding in found):
        raise typer.Exit(1)


def _line(finding: Finding) -> Text:
    if finding.blocks:
        sign = Text("blocks  ", "bold red")
    else:
        sign = Text("note    ", "yellow") if finding.cure else Text("ok      ", "green")
    line = Text.assemble(sign, f"{finding.name:<9} ", finding.what)
    if finding.cure:
        line.append(f"\n        cure      {finding.cure}", "bold")
    return line
