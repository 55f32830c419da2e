"""`edged bench frames`: what it costs to hand a picture from capture to inference."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from edged.bench import frames as measurement
from edged.cli.options import AsJson

_NAMES = {"slot": "frame slot", "queue": "mp.Queue", "memcpy": "memcpy (limit)"}


def frames(
    as_json: AsJson = False,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="Length of each of the six measurements.")] = 3.0,
) -> None:
    """Measure the frame slot against multiprocessing.Queue and a bare memcpy.

    Processor time per picture at both ends, and the time from writing a picture to holding a copy of it.
    """
    if as_json:
        print(json.dumps(measurement.measure_all(seconds)))
        return
    console = Console()
    with console.status("measuring …") as status:
        results = measurement.measure_all(seconds, told=lambda part: status.update(f"measuring {part} …"))
    console.print(table(results))


def table(results: dict[str, dict[str, Any]]) -> Table:
    """The results for a person."""
    shown = Table(
        title=f"One picture from process to process, {measurement.FRAMES_PER_SECOND:.0f} a second",
        caption="write, read: processor time per picture; p50, p99: from writing to holding a copy",
    )
    for heading in ("size", "by", "write µs", "read µs", "both", "p50 µs", "p99 µs", "missed"):
        shown.add_column(heading, justify="left" if heading in ("size", "by") else "right")
    for size, methods in results.items():
        for method, found in methods.items():
            shown.add_row(
                size if method == measurement.METHODS[0] else "",
                _NAMES[method],
                f"{found['writer']['cpu_us_per_frame']:.0f}",
                f"{found['reader']['cpu_us_per_frame']:.0f}",
                f"{found['cpu_us_per_frame']:.0f}",
                f"{found['latency_us']['p50']:.0f}",
                f"{found['latency_us']['p99']:.0f}",
                str(found["missed"]),
            )
        shown.add_section()
    return shown
