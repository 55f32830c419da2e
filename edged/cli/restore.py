"""`edged restore`: put a backup back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edged.care.backup import told_json
from edged.care.backup_file import Manifest
from edged.care.passphrase import passphrase
from edged.care.places import places
from edged.care.restore import Plan, contents
from edged.care.restore import restore as put_back
from edged.care.restore import resume as finish
from edged.cli.backup import Only, PassphraseFile, SettingsFolder, StateFolder, checked_parts
from edged.cli.options import AsJson


def restore(
    file: Annotated[Optional[Path], typer.Argument(metavar="[FILE]", help="The backup's file.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Check it and show what is inside; change nothing.")] = False,
    only: Only = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before files are replaced.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Finish a restore that was cut off, by a power cut for instance.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    settings: SettingsFolder = None,
    state: StateFolder = None,
    as_json: AsJson = False,
) -> None:
    """Check a backup, then put all of it in place at once: cut off at any moment, there is the old or the new.

    Whatever uses the folder must be stopped before. What is not in the backup stays as it is. A block or an emergency stop
    that is in force stays so.
    """
    if resume:
        where = places(settings, state)
        print("finished" if finish(where) else f"no restore was cut off in {where.state}")
        return
    if file is None:
        raise typer.BadParameter("name the backup's file, or --resume", param_hint="FILE")
    if list_:
        manifest = contents(file, passphrase(passphrase_file, new=False))
        print(told_json(manifest).decode() if as_json else _table(manifest))
        return
    parts = checked_parts(only)
    secret = passphrase(passphrase_file, new=False)
    done = put_back(file, secret, settings=settings, state=state, only=parts, agree=lambda plan: _agreed(plan, yes=yes))
    if done is None:
        raise typer.Exit(1)
    print("restored; start what was stopped: sudo systemctl start edged@NAME")


def _agreed(plan: Plan, *, yes: bool) -> bool:
    print(f"backup of {plan.manifest.made_at}, made by edged {plan.manifest.edged}; all of it is sound")
    for step in plan.steps:
        print(step)
    for warning in plan.warnings:
        print(f"warning  {warning}")
    return yes or typer.confirm("put it in place?")


def _table(manifest: Manifest) -> str:
    lines = [
        f"backup of {manifest.made_at}, made by edged {manifest.edged}",
        f"settings were in {manifest.settings}, what is kept in {manifest.state}",
        *(f"{item.part:<9} {item.bytes:>11}  {item.path}" for item in manifest.items),
        f"{len(manifest.items)} files, all sound",
    ]
    return "\n".join(lines)
