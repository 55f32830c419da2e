"""`edged audit`: the audit trail."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from edged.bus.subscriber import Subscriber
from edged.cli.moments import local_time, moment_ms
from edged.cli.options import AsJson, ConfigFile, Set, overrides
from edged.configuration.loading import load
from edged.errors import BrokerError
from edged.settings import Settings
from edged.store.audit import Head, Record, renew
from edged.store.audit_check import all_records, records, verify
from edged.store.directory import chosen_directory
from edged.store.history import at_ms
from edged.topics import AuditState, camera_topic

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Look at the audit trail: chained records of verdicts, actions, changed settings, enrolments, looks at evidence.",
)

_HEAD = re.compile(r"(\d+):([0-9a-f]{64})")
_BROKER_SECONDS = 5.0


@app.command("show")
def show_trail(
    last: Annotated[int, typer.Option(min=0, metavar="N", help="Only the newest so many; 0: all.")] = 20,
    kind: Annotated[Optional[list[str]], typer.Option(metavar="KIND", help="Records of this kind. Repeatable.")] = None,
    since: Annotated[
        Optional[str], typer.Option(metavar="WHEN", help="From 2h, 7d (ago) or 2026-07-01T14:30 on.")
    ] = None,
    camera: Annotated[Optional[str], typer.Option(metavar="NAME", help="About this camera only.")] = None,
    aside: Annotated[bool, typer.Option("--all", help="Also of trails that were set aside.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Show what was recorded, the oldest first. Records that were changed are left out: see edged audit verify."""
    folder = _folder(load(config, overrides(set_)))
    begin = None if since is None else moment_ms(since, "--since")
    found = (
        record
        for record in (all_records(folder) if aside else records(folder))
        if (not kind or record.kind in kind)
        and (camera is None or record.camera == camera)
        and (begin is None or at_ms(record.at) >= begin)
    )
    console = Console(highlight=False, soft_wrap=True)
    for record in deque(found, maxlen=last or None):
        if as_json:
            print(msgspec.json.encode(record).decode())
        else:
            console.print(_line(record))


@app.command("verify")
def verify_trail(
    head: Annotated[
        Optional[list[str]],
        typer.Option(metavar="RECORD:HASH", help="A head that you noted (edged audit head). Repeatable."),
    ] = None,
    broker: Annotated[
        bool, typer.Option("--broker", help="Compare with the head that the camera of the settings published last.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Find records that were changed, removed, moved or added, and a trail that was cut; exit 1 if there is one.

    A trail that was rewritten as a whole shows only against a head that is kept elsewhere: --head, --broker.
    """
    settings = load(config, overrides(set_))
    told = [("--head", _read_head(each)) for each in head or ()]
    if broker:
        told.append(("the broker", _published(settings)))
    folder = _folder(settings)
    verdict = verify(folder, told)
    if as_json:
        print(json.dumps(asdict(verdict) | {"head": _plain(verdict.head)}, indent=2, ensure_ascii=False))
    else:
        for problem in verdict.problems:
            print(f"wrong  {problem}")
        for each in verdict.notes:
            print(f"note   {each}")
        if not verdict.problems:
            assert verdict.head is not None or not verdict.records
            where = f"{verdict.head.seq}:{verdict.head.hash}" if verdict.head is not None else "none"
            print(f"good   {verdict.records} records in {folder}, head {where}")
    if verdict.problems:
        raise typer.Exit(1)


@app.command("head")
def show_head(config: ConfigFile = None, set_: Set = None) -> None:
    """Print how far the trail has come, as RECORD:HASH, to be noted elsewhere; exit 1 if the trail is not good."""
    verdict = verify(_folder(load(config, overrides(set_))))
    if verdict.problems or verdict.head is None:
        print(f"wrong  {verdict.problems[0] if verdict.problems else 'the trail is empty'} (edged audit verify)")
        raise typer.Exit(1)
    print(f"{verdict.head.seq}:{verdict.head.hash}")


@app.command("renew")
def renew_trail(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is recorded.")],
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Set the trail aside, as it is, and begin another whose first record says so. The numbers go on.

    For a trail that was damaged, or has grown long. Nothing is deleted; a daemon that runs follows by itself.
    """
    aside = renew(_folder(load(config, overrides(set_))), by="edged audit", why=reason)
    print(f"the trail is kept as {aside}")


def _folder(settings: Settings) -> Path:
    return chosen_directory(settings.store)


def _read_head(text: str) -> Head:
    match = _HEAD.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no RECORD:HASH, as edged audit head prints it", param_hint="--head")
    return Head(int(match[1]), match[2])


def _published(settings: Settings) -> Head:
    """What the broker has of the camera. Raises BrokerError where it has nothing, or is not there."""
    topic = camera_topic(settings.mqtt.prefix, settings.camera, "audit")
    with Subscriber(settings.mqtt, [topic], patience_seconds=_BROKER_SECONDS) as subscriber:
        message = subscriber.receive(_BROKER_SECONDS)
    if message is None or not message.payload:
        raise BrokerError(f"nothing is retained on {topic}: camera {settings.camera} has published no head there")
    try:
        state = msgspec.json.decode(message.payload, type=AuditState)
    except msgspec.MsgspecError:
        raise BrokerError(f"what is retained on {topic} is no head of an audit trail") from None
    return Head(state.record, state.hash)


def _plain(head: Head | None) -> dict[str, Any] | None:
    return None if head is None else {"seq": head.seq, "hash": head.hash}


def _line(record: Record) -> Text:
    text = Text(f"{record.seq:>6}  {local_time(at_ms(record.at))}  ", style="dim")
    text.append(f"{record.kind:<10} ", style="bold")
    text.append(f"{record.camera or '-':<10} {record.by:<16} ")
    text.append(_printable(json.dumps(record.data, ensure_ascii=False)))
    return text


def _printable(text: str) -> str:
    """What strangers may have said must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
