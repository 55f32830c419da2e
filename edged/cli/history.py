"""`edged history`: past events."""

from __future__ import annotations

import csv
import difflib
import itertools
import json
import os
import sys
from collections.abc import Iterable
from typing import Annotated, Any, Optional

import typer
from rich.console import Console

from edged.cli.events import line
from edged.cli.moments import local_time, moment_ms
from edged.cli.options import ConfigFile, Set, overrides
from edged.configuration.loading import load
from edged.errors import StoreError
from edged.events import EVENT_KINDS, iso_utc
from edged.settings import Settings
from edged.store.audit import note
from edged.store.directory import chosen_directory
from edged.store.history import Question, ask, at_ms, forget

_FIRST = ("at", "camera", "kind", "person", "verdict", "id")
# Rows that are looked at to know a table's columns, which its first line must name.
_MOST_ROWS = 1_000_000


def history(
    since: Annotated[
        Optional[str], typer.Option(metavar="WHEN", help="From 2h, 7d (ago) or 2026-07-01T14:30 on.")
    ] = None,
    until: Annotated[Optional[str], typer.Option(metavar="WHEN", help="Before then.")] = None,
    kind: Annotated[Optional[list[str]], typer.Option(metavar="KIND", help="Events of this kind. Repeatable.")] = None,
    camera: Annotated[Optional[list[str]], typer.Option(metavar="NAME", help="Of this camera. Repeatable.")] = None,
    person: Annotated[Optional[list[str]], typer.Option(metavar="NAME", help="About this person. Repeatable.")] = None,
    last: Annotated[int, typer.Option(min=0, metavar="N", help="Only the newest so many; 0: all.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One payload a line, as it was published.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table with a column for each field.")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Delete what was asked for, for good.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Ask for past events, kept where history.enabled is on; the oldest comes first.

    Every camera's past in the folder of store.directory is looked at.
    """
    if as_json and as_csv:
        raise typer.BadParameter("one of --json and --csv", param_hint="--csv")
    settings = load(config, overrides(set_))
    question = _question(since, until, kind, camera, person)
    if purge:
        if last:
            raise typer.BadParameter("deletes all that was asked for; name a time instead", param_hint="--last")
        _purge(settings, question, yes=yes)
        return
    found = ask(chosen_directory(settings.store), question, newest=last)
    try:
        if as_json:
            for payload in found:
                print(json.dumps(payload, ensure_ascii=False, separators=(",", ":")))
        elif as_csv:
            _print_table(found)
        else:
            _print_lines(found)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has enough (`| head`). Python would complain once more while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _question(
    since: str | None, until: str | None, kinds: list[str] | None, cameras: list[str] | None, people: list[str] | None
) -> Question:
    for kind in kinds or ():
        if kind not in EVENT_KINDS:
            near = difflib.get_close_matches(kind, EVENT_KINDS, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            raise typer.BadParameter(
                f"there is no kind {kind!r} ({', '.join(EVENT_KINDS)}).{guess}", param_hint="--kind"
            )
    given = Question(kinds=tuple(kinds or ()), cameras=tuple(cameras or ()), people=tuple(people or ()))
    begin = given.since_ms if since is None else moment_ms(since, "--since")
    end = given.until_ms if until is None else moment_ms(until, "--until")
    return Question(begin, end, given.kinds, given.cameras, given.people)


def _purge(settings: Settings, question: Question, *, yes: bool) -> None:
    folder = chosen_directory(settings.store)
    count = sum(1 for _ in ask(folder, question))
    if not count:
        print("no past event is like that")
        return
    if not yes:
        typer.confirm(f"delete {count} past events for good?", abort=True)
    if settings.audit.enabled:
        # First: what cannot be recorded is not done. Without names, for they may be the reason.
        data = {
            "what": "deleted",
            "events": count,
            "since": _moment(question.since_ms),
            "until": _moment(question.until_ms),
            "kinds": list(question.kinds),
            "cameras": list(question.cameras),
            "people": len(question.people),
        }
        note(folder, "history", data, by="edged history")
    print(f"deleted {forget(folder, question)} past events")


def _moment(wall_ms: int) -> str | None:
    """UTC; None for the beginning and the end of all time."""
    return None if wall_ms in (Question.since_ms, Question.until_ms) else iso_utc(wall_ms * 1_000_000)


def _print_lines(found: Iterable[dict[str, Any]]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for payload in found:
        text = line(payload)
        day = local_time(at_ms(str(payload["at"])))[:10]
        console.print(day, text)


def _print_table(found: Iterable[dict[str, Any]]) -> None:
    rows = list(itertools.islice(found, _MOST_ROWS + 1))
    if len(rows) > _MOST_ROWS:
        raise StoreError(f"more than {_MOST_ROWS} events do not fit in one table (narrow it with --since and --until)")
    names = dict.fromkeys(_FIRST)
    for row in rows:
        names.update(dict.fromkeys(row))
    table = csv.DictWriter(sys.stdout, list(names), restval="", lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    """A cell. What begins like a formula would be one to a spreadsheet that opens it: names come from people."""
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
