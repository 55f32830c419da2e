"""`edged backup`: settings, people, past events and the rest in one encrypted file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edged.care.backup import make_backup
from edged.care.passphrase import passphrase
from edged.care.places import PARTS, places
from edged.errors import BackupError

SettingsFolder = Annotated[
    Optional[Path],
    typer.Option("--settings", metavar="FOLDER", help="Folder of settings; else /etc/edged or ~/.config/edged."),
]
StateFolder = Annotated[
    Optional[Path],
    typer.Option(
        "--state", metavar="FOLDER", help="Folder of what is kept; else as the settings say (store.directory)."
    ),
]
PassphraseFile = Annotated[
    Optional[Path],
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="File with the passphrase; else EDGED_BACKUP_PASSPHRASE, else it is asked for.",
    ),
]
Only = Annotated[
    Optional[list[str]], typer.Option("--only", metavar="PART", help=f"Only this part: {', '.join(PARTS)}. Repeatable.")
]


def checked_parts(only: list[str] | None) -> list[str]:
    """As they were given, also several with commas. Raises typer.BadParameter for what is none."""
    parts = [part.strip() for given in only or () for part in given.split(",")]
    if unknown := [part for part in parts if part not in PARTS]:
        raise typer.BadParameter(f"there is no part {unknown[0]!r} ({', '.join(PARTS)})", param_hint="--only")
    return parts


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup's file, made readable for its owner only.")],
    keys: Annotated[
        bool, typer.Option("--keys", help="Take signing keys, passwords and all else in the folder of settings along.")
    ] = False,
    only: Only = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file if it is there already.")] = False,
    passphrase_file: PassphraseFile = None,
    settings: SettingsFolder = None,
    state: StateFolder = None,
) -> None:
    """Write settings, the gallery, what is kept, past events and the audit trail into one encrypted file.

    Daemons may run meanwhile: each database is copied as of one moment. Events that wait for the broker, jobs and
    messages under way, evidence and models are not in it. Without the passphrase nobody can open it, nor can you.
    """
    parts = checked_parts(only)
    if file.exists() and not replace:
        raise BackupError(f"{file} is there already (--replace, or another name)")
    where = places(settings, state)
    made = make_backup(file, passphrase(passphrase_file, new=True), where, keys=keys, only=parts)
    for warning in made.warnings:
        print(f"note   {warning}")
    for part in PARTS:
        if files := [item for item in made.manifest.items if item.part == part]:
            print(f"{part:<9} {len(files):>3} files  {sum(item.bytes for item in files):>11} bytes  {PARTS[part]}")
    print(f"{file}: {made.bytes} bytes; edged restore --list {file} checks it")
