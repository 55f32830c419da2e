"""`edged bench`: measurements of the parts on this machine. One file per measurement, beside this one."""

from __future__ import annotations

import typer

from edged.cli.bench_frames import frames
from edged.cli.bench_gallery import gallery
from edged.cli.bench_outbox import outbox
from edged.cli.bench_pipeline import pipeline

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure the parts on this machine.")
app.command("frames")(frames)
app.command("gallery")(gallery)
app.command("outbox")(outbox)
app.command("pipeline")(pipeline)


@app.callback()
def bench() -> None:
    """Measure the parts on this machine."""
