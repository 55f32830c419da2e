"""`edged faces`: the people who are recognised: enrol, list, test, name, forget, carry to another device."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.table import Table

from edged.cli.faces_looking import SECONDS, enrol_from, look_at
from edged.cli.options import AsJson, ConfigFile, Set, overrides
from edged.cli.tables import print_table, table_console
from edged.configuration.loading import load
from edged.errors import ModelError
from edged.inference.models import ModelStore, default_directory
from edged.settings import Settings
from edged.store.audit import note
from edged.store.directory import chosen_directory, state_directory
from edged.store.gallery import Gallery
from edged.store.gallery_people import Contents, Person
from edged.store.gallery_transfer import export_gallery, import_gallery
from edged.store.history import cameras

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="People who are recognised. All cameras of a state directory share one gallery; a running daemon notices changes.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who it is; see edged faces list.")]


@app.command("enrol", hidden=True)
@app.command("enroll")
def enroll(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the person shall be called.")],
    images: Annotated[
        Optional[list[Path]],
        typer.Option("--images", "-i", metavar="FILE_OR_FOLDER", help="Pictures of the person alone. Repeatable."),
    ] = None,
    more: Annotated[Optional[list[Path]], typer.Argument(metavar="[FILE]...", help="More pictures.")] = None,
    camera: Annotated[
        Optional[str],
        typer.Option("--camera", metavar="TIME", help="Take the pictures with the settings' camera, for so long: 5s."),
    ] = None,
    keep_pictures: Annotated[
        bool, typer.Option("--keep-pictures", help="Keep the aligned pictures, for a change of the model.")
    ] = False,
    config: ConfigFile = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Enrol somebody, or add pictures to somebody who is enrolled. Bad pictures are refused with the reason.

    Exit status 1 if nobody was enrolled.
    """
    paths = [*(images or []), *(more or [])]
    if bool(paths) == (camera is not None):
        raise typer.BadParameter("give either --images FILE … or --camera 5s", param_hint="--images / --camera")
    settings = load(config, overrides(set_))
    report = enrol_from(
        settings, name, paths, None if camera is None else _seconds(camera), keep_pictures=keep_pictures
    )
    _record(settings, "enrolled", name=report.name, vectors=report.vectors, pictures_kept=keep_pictures)
    if as_json:
        print(json.dumps({**report._asdict(), "refused": [list(one) for one in report.refused]}))
        return
    for origin, reason in report.refused:
        print(f"refused {origin}: {reason}")
    for warning in report.warnings:
        print(f"warning: {warning}")
    for stranger in report.absorbed:
        print(f"{stranger} was {report.name} and is no stranger any more")
    print(f"enrolled {report.name} with {report.vectors} picture{'s' * (report.vectors != 1)}")
    if report.false_accept is not None:
        print(
            f"one look at a stranger is taken for {report.name} with a chance of about {_chance(report.false_accept)}"
        )


@app.command("list")
def list_faces(config: ConfigFile = None, set_: Set = None, as_json: AsJson = False) -> None:
    """Show who is enrolled, with what, and which strangers are remembered."""
    settings = load(config, overrides(set_))
    with _gallery(settings) as gallery:
        contents = gallery.contents()
    again = _must_enrol_again(settings, contents)
    rows = [_described(person, contents, again) for person in contents.people.values()]
    if as_json:
        print(json.dumps({"people": rows, "problems": contents.problems}, indent=2))
    elif not rows:
        print("nobody is enrolled (edged faces enroll NAME --images FILE …)")
    else:
        table = Table("name", "pictures", "from", "model", "since", "last seen", box=None, pad_edge=False)
        for row in rows:
            table.add_row(
                row["name"],
                str(row["vectors"]),
                ", ".join(f"{count} {source}" for source, count in row["sources"].items()),
                ", ".join(row["models"]),
                _day(row["created_at"]),
                _day(row["last_seen_at"]) if row["stranger"] else "",
            )
        print_table(table_console(), table)
    for name in again:
        if not as_json:
            print(f"{name} must be enrolled again: the model or its preparation changed, and no pictures were kept")
    _tell_problems(contents.problems)


@app.command("test")
def look_at_pictures(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures with faces.")],
    config: ConfigFile = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Say who is on a picture, how sure that is, and who would come next. Exit status 1 if nobody is known on any."""
    settings = load(config, overrides(set_))
    found = look_at(settings, images)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        for one in found:
            print(one["text"])
    if not any(one["known"] for one in found):
        raise typer.Exit(1)


@app.command("name")
def name_stranger(
    stranger: Annotated[str, typer.Argument(metavar="STRANGER", help="unknown-3, as edged faces list shows it.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who that is.")],
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Give a stranger a name: from now on they are enrolled."""
    settings = load(config, overrides(set_))
    with _gallery(settings) as gallery:
        gallery.name_stranger(stranger, name)
    _record(settings, "enrolled", **{"name": name, "from": stranger})
    print(f"{stranger} is {name} now")


@app.command("forget")
def forget(name: Name, config: ConfigFile = None, set_: Set = None) -> None:
    """Remove somebody for good: vectors and pictures are overwritten. Copies that we know of are named."""
    settings = load(config, overrides(set_))
    with _gallery(settings) as gallery:
        gone = gallery.forget(name)
    _record(settings, "forgotten", name=gone.name, vectors=gone.vectors, pictures=gone.pictures)
    pictures = f" and {gone.pictures} kept pictures" if gone.pictures else ""
    print(f"forgot {gone.name}: {gone.vectors} vectors{pictures} are overwritten")
    if not gone.emptied:
        print(
            "the database's log could not be emptied while others read it: ask again, or stop the daemon "
            "(edged faces list empties it when nobody reads)"
        )
    for path in gone.backups:
        print(f"may still hold {gone.name}: {path}")
    if cameras(chosen_directory(settings.store)):
        print(f"past events may still name {gone.name}: edged history --person {gone.name} --purge")


@app.command("unlearn")
def unlearn(name: Name, config: ConfigFile = None, set_: Set = None) -> None:
    """Undo what was learned of somebody since enrolment (inference.recognition.learn)."""
    settings = load(config, overrides(set_))
    with _gallery(settings) as gallery:
        dropped = gallery.unlearn(name)
    _record(settings, "unlearned", name=name, vectors=dropped)
    print(f"{dropped} learned vectors of {name} are gone")


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON; only its owner can read it.")],
    pictures: Annotated[bool, typer.Option("--pictures", help="With the pictures that were kept.")] = False,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Write everybody who is enrolled into a file, to keep or to carry to another device."""
    settings = load(config, overrides(set_))
    with _gallery(settings) as gallery:
        names = export_gallery(gallery, file, pictures=pictures)
    _record(settings, "exported", people=len(names), pictures=pictures, file=str(file))
    print(f"{file} holds {', '.join(names) or 'nobody'}; it tells people apart: keep it as safe as a key")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What edged faces export wrote.")],
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Add the people of an exported file."""
    settings = load(config, overrides(set_))
    with _gallery(settings) as gallery:
        imported = import_gallery(gallery, file)
    for name, count in imported.people.items():
        _record(settings, "enrolled", **{"name": name, "vectors": count, "from": str(file)})
    for name, count in imported.people.items():
        print(f"imported {name}: {count} vectors")
    if not imported.people:
        print("everybody in it is here already")


@app.command("verify")
def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop what was changed without the key, and seal the rest.")
    ] = False,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Look for what was changed in the gallery by somebody without its key. Exit status 1 if there is something."""
    settings = load(config, overrides(set_))
    with _gallery(settings) as gallery:
        problems = gallery.repair() if repair else gallery.problems()
        contents = gallery.contents()
    if repair and problems:
        _record(settings, "repaired", dropped=problems[:20], problems=len(problems))
    for problem in problems:
        print(f"{'dropped: ' if repair else ''}{problem}")
    print(f"{len(contents.people)} people and {len(contents.vectors)} embeddings are good")
    if problems and not repair:
        raise typer.Exit(1)


def _gallery(settings: Settings) -> Gallery:
    return Gallery(state_directory(settings.store), settings.inference.recognition.key_file)


def _record(settings: Settings, kind: str, **data: Any) -> None:
    """In the audit trail, as what comes over MQTT is."""
    if settings.audit.enabled:
        note(state_directory(settings.store), kind, data, by="edged faces")


def _seconds(text: str) -> float:
    match = SECONDS.fullmatch(text.strip())
    if match is None or not 0.5 <= float(match[1]) <= 60:
        raise typer.BadParameter(f"{text!r} is no time from 0.5s to 60s, such as 5s", param_hint="--camera")
    return float(match[1])


def _must_enrol_again(settings: Settings, contents: Contents) -> list[str]:
    """Whom the model of the settings cannot know; nobody can tell where there is no model."""
    from edged.inference.recognition.embedders import chosen, version_of
    from edged.inference.recognition.renewal import must_enrol_again

    try:
        model = chosen(settings.inference, ModelStore(default_directory(settings.models)))
    except ModelError:
        return []
    return must_enrol_again(contents, model, version_of(model, settings.inference))


def _described(person: Person, contents: Contents, again: list[str]) -> dict[str, Any]:
    vectors = [one for one in contents.vectors if one.person == person.id]
    sources: dict[str, int] = {}
    for one in vectors:
        sources[one.source] = sources.get(one.source, 0) + 1
    return {
        "name": person.name,
        "stranger": person.stranger,
        "vectors": len(vectors),
        "pictures_kept": sum(one.has_picture for one in vectors),
        "sources": sources,
        "origins": sorted({one.origin for one in vectors if one.origin}),
        "models": sorted({one.model for one in vectors}),
        "created_at": _iso(person.created_at),
        "first_seen_at": _iso(person.first_seen_at),
        "last_seen_at": _iso(person.last_seen_at),
        "last_added_at": _iso(max((one.added_at for one in vectors), default=None)),
        "must_enroll_again": person.name in again,
    }


def _tell_problems(problems: list[str]) -> None:
    for problem in problems:
        print(f"tampered with: {problem}")
    if problems:
        raise typer.Exit(1)


def _chance(share: float) -> str:
    return f"1 in {1 / share:,.0f}" if share > 1e-6 else "less than 1 in a million"


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _day(text: str | None) -> str:
    return "" if text is None else text[:16].replace("T", " ")
