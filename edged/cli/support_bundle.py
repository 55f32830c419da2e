"""`edged support-bundle`: what helps others to help."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Optional

import typer

from edged.care.bundle import collect, write
from edged.care.places import places
from edged.cli.backup import SettingsFolder, StateFolder
from edged.errors import BackupError


def support_bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it, e.g. edged-support.tar.gz.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it is written.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print all that would go in, and write nothing.")] = False,
    lines: Annotated[int, typer.Option(min=0, max=100_000, metavar="N", help="Lines of the log.")] = 1000,
    log: Annotated[
        Optional[list[Path]],
        typer.Option("--log", metavar="FILE", help="A log that is not in the journal. Repeatable."),
    ] = None,
    settings: SettingsFolder = None,
    state: StateFolder = None,
) -> None:
    """Pack versions, findings, health, the last lines of the log and harmless settings into a tar.gz.

    No pictures, no vectors, no keys, no names of people, no addresses, no texts of settings. What goes in is listed first.
    """
    if file.exists() and not show:
        raise BackupError(f"{file} is there already (name another)")
    # The broker's absence is a finding; the bus need not log it beside.
    logging.getLogger("edged").addHandler(logging.NullHandler())
    pieces = collect(places(settings, state), lines=lines, logs=log or ())
    if show:
        for piece in pieces:
            print(f"===== {piece.name}: {piece.about}\n{piece.content.decode()}")
        return
    for piece in pieces:
        print(f"{piece.name:<14} {len(piece.content):>9} bytes  {piece.about}")
    print("secrets, names and addresses were taken out; --show prints all of it")
    if not yes and not typer.confirm(f"write {file}?"):
        raise typer.Exit(1)
    print(f"{file}: {write(file, pieces)} bytes")
