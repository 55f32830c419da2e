"""`edged evidence`: the only way to list, open and delete evidence. Every look and every deletion is in the audit trail."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edged.cli.evidence_upload import upload
from edged.cli.moments import local_time
from edged.cli.options import AsJson, ConfigFile, Set, overrides
from edged.configuration.loading import load
from edged.errors import EvidenceError, SettingsError
from edged.evidence.album import Album, Entry
from edged.evidence.container import Opened, unpack
from edged.evidence.key import evidence_key
from edged.keys import make_key
from edged.settings import Settings
from edged.store.audit import note
from edged.store.audit_check import all_records
from edged.store.directory import chosen_directory, evidence_directory

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Encrypted pictures around events: list, show, verify, delete. The audit trail has every look at them.",
)

Camera = Annotated[Optional[str], typer.Option(metavar="NAME", help="Of this camera only.")]
BY = "edged evidence"


@dataclass(frozen=True)
class _Found:
    camera: str
    album: Album
    entry: Entry


@app.command()
def keygen(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Write a new key of evidence, for evidence.key_file. Without it nobody can open what was sealed with it: keep a copy."""
    make_key(file)
    print(f"{file}: a new key, readable for you alone; keep a copy somewhere else")


@app.command("list")
def list_evidence(camera: Camera = None, as_json: AsJson = False, config: ConfigFile = None, set_: Set = None) -> None:
    """List the evidence there is, the oldest first. Opens nothing and needs no key."""
    found = list(_all(load(config, overrides(set_)), camera))
    if as_json:
        print(json.dumps([_plain(each) for each in found], indent=2, ensure_ascii=False))
        return
    for each in found:
        entry, header = each.entry, each.entry.header
        said = entry.problem or (f"{header.kind}, {header.pictures} pictures" if header is not None else "")
        copied = ", copied" if entry.uploaded else ""
        when = local_time(round(entry.begun_at * 1000))
        print(f"{entry.event}  {when}  {each.camera:<10} {entry.bytes / 1000:8.0f} kB  {said}{copied}")
    print(f"{len(found)} in all, {sum(each.entry.bytes for each in found) / 1e6:.1f} MB")


@app.command()
def show(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id, or a part of it that is enough.")],
    output: Annotated[
        Optional[Path],
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write the pictures here, in clear; without it only what was told is shown.",
        ),
    ] = None,
    camera: Camera = None,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Decrypt the evidence of one event; exit 1 if a part of it was altered. The look is recorded before anything is shown."""
    settings = load(config, overrides(set_))
    found = _one(settings, camera, event)
    key = evidence_key(settings.evidence)
    opened = _open(found.entry, key)
    _record(settings, found.camera, "shown", event=found.entry.event, pictures=output is not None)
    print(_told(opened))
    if output is None:
        print(f"{len(opened.pictures)} pictures; --output DIR writes them, in clear")
    else:
        for path in _write(opened, output):
            print(path)
    for problem in opened.problems:
        print(f"wrong  {problem}")
    if opened.problems:
        raise typer.Exit(1)


@app.command()
def verify(camera: Camera = None, config: ConfigFile = None, set_: Set = None) -> None:
    """Find evidence that was altered, replaced or taken away; exit 1 if there is any.

    With the key every part is opened (and shown to nobody); without it files are compared with the audit trail alone.
    """
    settings = load(config, overrides(set_))
    found = list(_all(settings, camera))
    try:
        key: bytes | None = evidence_key(settings.evidence)
    except SettingsError as error:
        key = None
        print(f"note   files are compared with the audit trail only: {error}")
    wrong = 0
    kept, deleted = _recorded(chosen_directory(settings.store), camera)
    for each in found:
        for problem in _problems(each, key, kept):
            wrong += 1
            print(f"wrong  {problem}")
    there = {each.entry.event for each in found}
    for event in sorted(kept.keys() - deleted - there):
        wrong += 1
        print(f"wrong  {event} was kept and is gone, and nobody recorded that it was deleted")
    if wrong:
        raise typer.Exit(1)
    print(f"good   {len(found)} files")


@app.command()
def purge(
    events: Annotated[Optional[list[str]], typer.Argument(metavar="[EVENT]...", help="Ids, or parts of them.")] = None,
    older_days: Annotated[
        Optional[float], typer.Option("--older", min=0, metavar="DAYS", help="All that is older than this.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All there is.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    camera: Camera = None,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Delete evidence for good. Copies elsewhere are not touched. Each deletion is recorded."""
    if sum((bool(events), older_days is not None, every)) != 1:
        raise typer.BadParameter("name events, or give one of --older and --all")
    settings = load(config, overrides(set_))
    if events:
        chosen = [_one(settings, camera, event) for event in dict.fromkeys(events)]
    else:
        limit = time.time() - (older_days or 0) * 86400
        chosen = [each for each in _all(settings, camera) if every or each.entry.begun_at < limit]
    if not chosen:
        print("there is no such evidence")
        return
    if not yes:
        typer.confirm(f"delete the evidence of {len(chosen)} events for good?", abort=True)
    for each in chosen:
        _record(settings, each.camera, "deleted", event=each.entry.event, reason="edged evidence purge")
        each.album.remove(each.entry.event)
    print(f"deleted {len(chosen)}")
    if copied := sum(each.entry.uploaded for each in chosen):
        print(f"copies of {copied} are in the store of evidence.upload: delete them there")


app.command("upload")(upload)


def _all(settings: Settings, camera: str | None) -> Iterator[_Found]:
    folder = evidence_directory(chosen_directory(settings.store), "any").parent
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if camera is not None and camera not in names:
        there = f"there is some of {', '.join(names)}" if names else "there is none at all"
        raise EvidenceError(f"no evidence of camera {camera} in {folder} ({there})")
    entries = [
        _Found(name, album, entry)
        for name in names
        if camera in (None, name)
        for album in (Album(folder / name),)
        for entry in album.entries()
    ]
    yield from sorted(entries, key=lambda each: each.entry.begun_at)


def _one(settings: Settings, camera: str | None, event: str) -> _Found:
    """The evidence that is meant. Raises EvidenceError where it is none, or several."""
    found = [each for each in _all(settings, camera) if event and event in each.entry.event]
    exact = [each for each in found if each.entry.event == event]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        raise EvidenceError(f"there is no evidence of event {event} (edged evidence list)")
    first = ", ".join(f"{each.entry.event} of {each.camera}" for each in found[:4])
    more = ", …" if len(found) > 4 else ""
    raise EvidenceError(f"{event} may mean {len(found)} events: {first}{more} (give more of it, or --camera)")


def _open(entry: Entry, key: bytes) -> Opened:
    try:
        content = entry.path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"{entry.path} cannot be read: {error.strerror}") from None
    return unpack(content, key, entry.path.name)


def _told(opened: Opened) -> str:
    try:
        return json.dumps(json.loads(opened.details), indent=2, ensure_ascii=False)
    except ValueError:
        return "what was told of the event cannot be read any more"


def _write(opened: Opened, folder: Path) -> Iterator[Path]:
    """The pictures, for nobody but whoever asked."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, picture in enumerate(opened.pictures, 1):
            path = folder / f"{opened.header.event}-{number:02d}.jpg"
            # Anew: what has the name already may be open to everybody, or lead elsewhere.
            path.unlink(missing_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as sink:
                sink.write(picture.jpeg)
            os.utime(path, (picture.wall_ms / 1000, picture.wall_ms / 1000))
            yield path
    except OSError as error:
        raise EvidenceError(f"{folder}: the pictures cannot be written: {error.strerror}") from None


def _recorded(folder: Path, camera: str | None) -> tuple[dict[str, str], set[str]]:
    """SHA-256 of what was kept, and what was deleted, as the trail has it."""
    kept: dict[str, str] = {}
    deleted: set[str] = set()
    for record in all_records(folder):
        if record.kind == "evidence" and (camera is None or record.camera == camera):
            event = str(record.data.get("event", ""))
            if record.data.get("what") == "kept":
                kept[event] = str(record.data.get("sha256", ""))
            elif record.data.get("what") == "deleted":
                deleted.add(event)
    return kept, deleted


def _problems(found: _Found, key: bytes | None, kept: dict[str, str]) -> list[str]:
    entry = found.entry
    if entry.problem:
        return [entry.problem]
    if entry.header is not None and entry.header.camera != found.camera:
        return [f"{entry.path.name} of camera {found.camera} is one of camera {entry.header.camera}: it was moved"]
    try:
        content = entry.path.read_bytes()
        problems = [] if key is None else unpack(content, key, entry.path.name).problems
    except EvidenceError as error:
        return [str(error)]
    except OSError as error:
        return [f"{entry.path.name} cannot be read: {error.strerror}"]
    wanted = kept.get(entry.event)
    if wanted is not None and wanted != hashlib.sha256(content).hexdigest() and not problems:
        problems = [f"{entry.path.name} is not what was kept: another file took its place, or it was altered"]
    return problems


def _record(settings: Settings, camera: str, what: str, **data: Any) -> None:
    """In the trail, or nothing is done: StoreError goes through."""
    if settings.audit.enabled:
        note(
            chosen_directory(settings.store), "evidence", {"what": what, "user": _user(), **data}, by=BY, camera=camera
        )


def _user() -> str:
    """Who asks, as far as the system knows; behind sudo, who that is."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"{name} (sudo: {behind})" if behind else name


def _plain(found: _Found) -> dict[str, Any]:
    entry, header = found.entry, found.entry.header
    return {
        "event": entry.event,
        "camera": found.camera,
        "kind": None if header is None else header.kind,
        "at": None if header is None else header.at,
        "pictures": None if header is None else header.pictures,
        "bytes": entry.bytes,
        "uploaded": entry.uploaded,
        "problem": entry.problem,
        "file": str(entry.path),
    }
