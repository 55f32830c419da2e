"""`edged bench pipeline`: what analysing a clip costs, beside MediaPipe and beside the bare networks."""

from __future__ import annotations

import json
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from edged.bench.pipeline import PipelineBench
from edged.cli.options import AsJson, ConfigFile, Set, overrides
from edged.configuration import loading as configuration

_BAR_WIDTH = 30
_NAMES = {"edged": "edged", "mediapipe": "MediaPipe FaceMesh", "bare_invokes": "bare networks (limit)"}


def pipeline(
    clip: Annotated[str, typer.Argument(metavar="SOURCE", help="A clip with a face, or sitter: for the drawn one.")],
    as_json: AsJson = False,
    frames: Annotated[Optional[int], typer.Option(min=1, metavar="N", help="At most so many frames.")] = None,
    seconds: Annotated[Optional[float], typer.Option(min=0.1, metavar="N", help="At most so much of the clip.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=99, help="Passes over the clip; the median counts.")] = 3,
    mediapipe_python: Annotated[
        str,
        typer.Option(metavar="PATH", help="Interpreter with mediapipe (0.10.14 to 0.10.21), if this one has it not."),
    ] = "",
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Measure what analysing a clip costs in edged, in MediaPipe, and in the networks edged asked alone.

    Processor time of all threads per frame, without decoding. MediaPipe is FaceMesh with irises in video mode and
    is left out where it is not installed.
    """
    settings = configuration.load(config, {"capture.source": clip, **overrides(set_)})
    bench = PipelineBench(settings, mediapipe_python=mediapipe_python, frames=frames, seconds=seconds)
    if as_json:
        print(json.dumps(bench.run(rounds)))
        return
    console = Console()
    with console.status("measuring …") as status:
        result = bench.run(rounds, told=lambda part: status.update(f"measuring, {part} …"))
    console.print(table(result))


def table(result: dict[str, Any]) -> Table:
    """The result for a person."""
    counts = ", ".join(f"{name} {count}" for name, count in result["bare_invokes"]["count"].items())
    ratios = result["ratios"]
    caption = f"networks asked: {counts}\nedged / bare networks: {ratios['edged_to_bare_invokes']:.2f}"
    if ratios["edged_to_mediapipe"] is not None:
        caption += f"   edged / MediaPipe: {ratios['edged_to_mediapipe']:.2f}"
    shown = Table(title=f"{result['clip']}: {result['frames']} frames, {result['rounds']} rounds", caption=caption)
    shown.add_column("")
    for heading in ("CPU ms", "wall ms", "with a face", "PSS MB"):
        shown.add_column(heading, justify="right")
    shown.add_column("CPU per frame")
    contenders = [name for name in _NAMES if result[name] is not None]
    longest = max(result[name]["cpu_ms_per_frame"] for name in contenders)
    for name in contenders:
        found = result[name]
        cpu_ms = found["cpu_ms_per_frame"]
        whole = name != "bare_invokes"
        shown.add_row(
            _NAMES[name],
            f"{cpu_ms:.2f}",
            f"{found['wall_ms_per_frame']:.2f}" if whole else "",
            str(found["frames_with_face"]) if whole else "",
            f"{found['pss_mb']:.0f}" if whole else "",
            "█" * max(1, round(_BAR_WIDTH * cpu_ms / max(longest, 1e-9))),
        )
    return shown
