"""`edged bench outbox`: how fast a full outbox drains into a broker, beside paho alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from edged.bench import outbox as measurement
from edged.cli.options import AsJson

_NAMES = {"edged": "edged, from its SQLite outbox", "paho": "paho alone, QoS 1 from memory"}


def outbox(
    as_json: AsJson = False,
    events: Annotated[
        int, typer.Option(min=100, max=1_000_000, metavar="N", help="Events in the outbox.")
    ] = measurement.EVENTS,
    rounds: Annotated[
        int, typer.Option(min=1, max=99, help="Rounds of each, in turn; the median counts.")
    ] = measurement.ROUNDS,
    directory: Annotated[
        Optional[Path],
        typer.Option(exists=True, file_okay=False, writable=True, help="Folder (so: disk) of the outbox."),
    ] = None,
) -> None:
    """Measure how fast events that waited go out, against a mosquitto of our own on this machine.

    Each event is read from the database, published, acknowledged and deleted again; paho alone sends as many messages
    of the same size with as many under way, and keeps nothing.
    """
    if as_json:
        print(json.dumps(measurement.measure(events, rounds, directory)))
        return
    console = Console()
    with console.status("measuring …") as status:
        result = measurement.measure(events, rounds, directory, told=lambda part: status.update(f"measuring {part} …"))
    console.print(table(result))


def table(result: dict[str, Any]) -> Table:
    """The result for a person."""
    shown = Table(
        title=f"{result['events']} events of {result['payload_bytes']} bytes, {result['in_flight']} under way",
        caption=f"edged / paho alone: {result['ratio']:.2f} (median of {result['rounds']} rounds)",
    )
    shown.add_column("")
    for heading in ("messages/s", "CPU s", "each round"):
        shown.add_column(heading, justify="right")
    for name, told in _NAMES.items():
        figures = result[name]
        shown.add_row(
            told,
            str(figures["messages_per_second"]),
            f"{figures['cpu_seconds']:.2f}",
            " ".join(str(each) for each in figures["rounds"]),
        )
    return shown
