"""`edged watch`: analyse a clip or camera here and now, without a broker."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edged import observations
from edged.analysis import Analysis, EventLines, Step, fast
from edged.capture.source import local_path
from edged.cli.options import ConfigFile, Set, overrides
from edged.configuration import loading as configuration
from edged.errors import SourceError
from edged.observations import Face
from edged.wording import counted, event_text

_SCREEN_SECONDS = 0.1
_EVENT_ROWS = 12


def watch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A clip, a camera (/dev/video0), a stream, a folder of pictures, sitter:"
        ),
    ],
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one event a line as JSON, and nothing else.")] = False,
    annotate: Annotated[
        Optional[Path], typer.Option(metavar="OUT.mp4", help="Draw what was seen into a video.")
    ] = None,
    observations_file: Annotated[
        Optional[Path],
        typer.Option("--observations", metavar="OUT.jsonl", help="Keep what each frame showed, for edged judge."),
    ] = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="Play a file at its own speed.")] = False,
    seconds: Annotated[
        Optional[float], typer.Option(min=0.1, metavar="N", help="Stop after this much of the source.")
    ] = None,
    set_: Set = None,
) -> None:
    """Analyse a clip or camera without a broker and print what happens.

    A file is analysed once, as fast as this machine can; a camera until Ctrl-C.
    """
    settings = configuration.load(config, {"capture.source": source, **overrides(set_)})
    if not realtime:
        settings = fast(settings)
    else:
        settings = settings.model_copy(update={"capture": settings.capture.model_copy(update={"loop": False})})
    _spare_input(settings.capture.source, annotate, observations_file)
    console = Console(stderr=True)
    analysis = Analysis(settings)
    with contextlib.ExitStack() as stack:
        stack.callback(analysis.close)
        for warning in (*analysis.pipeline.report().warnings, *_missing(analysis)):
            console.print(f"[yellow]edged:[/] {warning}", highlight=False, soft_wrap=True)
        steps = analysis.steps(seconds)
        if observations_file is not None:
            steps = _recording(steps, observations_file, stack)
        if annotate is not None:
            steps = _annotating(steps, annotate, analysis.source.frames_per_second or 25.0, stack)
        lines = EventLines(settings.camera)
        if as_json:
            _print_json(steps, lines)
        elif sys.stdout.isatty():
            _show(steps, analysis)
        else:
            _print_text(steps)


def _spare_input(source: str, annotate: Path | None, observations_file: Path | None) -> None:
    """Refuse to write over the clip that is watched, or two things into one file. Raises typer.BadParameter."""
    if annotate is not None and observations_file is not None and annotate.resolve() == observations_file.resolve():
        raise typer.BadParameter("this is where the video goes; give another file", param_hint="--observations")
    clip = local_path(source.removeprefix("sitter:"))
    for option, path in (("--annotate", annotate), ("--observations", observations_file)):
        with contextlib.suppress(OSError, ValueError):  # one of them is not there, or is no path at all
            if path is not None and path.samefile(clip):
                raise typer.BadParameter("this is what is watched; give another file", param_hint=option)


def _missing(analysis: Analysis) -> list[str]:
    missing = analysis.pipeline.report().missing_models
    return [f"model {name} is missing, its stage is off (cure: edged models pull {name})" for name in missing]


def _recording(steps: Iterator[Step], path: Path, stack: contextlib.ExitStack) -> Iterator[Step]:
    try:
        file = stack.enter_context(path.open("wb"))
    except OSError as error:
        raise SourceError(str(path), f"cannot be written: {error.strerror}", "give another path") from None

    def recorded() -> Iterator[Step]:
        for step in steps:
            if step.captured is not None:
                file.write(observations.to_json(step.observation) + b"\n")
            yield step

    return recorded()


def _annotating(steps: Iterator[Step], path: Path, rate: float, stack: contextlib.ExitStack) -> Iterator[Step]:
    from edged.annotation import AnnotatedVideo

    video = AnnotatedVideo(path, rate)
    stack.callback(video.close)
    for step in steps:
        if step.captured is not None:
            video.add(step.captured.image, step.observation, step.happenings)
        yield step


def _print_json(steps: Iterator[Step], lines: EventLines) -> None:
    for step in steps:
        for happening in step.happenings:
            print(json.dumps(lines.payload(happening), separators=(",", ":")), flush=True)


def _print_text(steps: Iterator[Step]) -> None:
    for step in steps:
        for happening in step.happenings:
            print(f"{happening.at_ms / 1000:9.2f} s  frame {happening.frame:>6}  {event_text(happening)}", flush=True)


def _show(steps: Iterator[Step], analysis: Analysis) -> None:
    """A live screen: faces, events, and how far the file has come."""
    total = analysis.source.frame_count
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    task = progress.add_task(analysis.source.description, total=total, rate="")
    rows: deque[str] = deque(maxlen=_EVENT_ROWS)
    events, began, drawn_at = 0, time.monotonic(), 0.0
    step: Step | None = None
    with Live(refresh_per_second=10, transient=True) as live:
        for count, step in enumerate(steps, 1):
            for happening in step.happenings:
                events += 1
                text = f"{happening.at_ms / 1000:9.2f} s  {event_text(happening)}"
                rows.append(text)
                live.console.print(text, highlight=False)
            now = time.monotonic()
            if now - drawn_at >= _SCREEN_SECONDS:
                drawn_at = now
                progress.update(task, completed=count, rate=f"{count / max(1e-3, now - began):.0f} frames/s")
                live.update(Group(_faces(step.observation.faces), progress))
    if step is not None:
        seconds = time.monotonic() - began
        print(f"{counted(step.observation.sequence, 'frame')} in {seconds:.1f} s, {counted(events, 'event')}")


def _faces(faces: tuple[Face, ...]) -> Table:
    table = Table("face", "zone", "head yaw pitch roll", "gaze yaw pitch", "eyes left right", box=None)
    for face in faces:
        table.add_row(
            f"#{face.track}",
            face.zone or "–",
            _degrees(face.yaw_degrees, face.pitch_degrees, face.roll_degrees),
            _degrees(face.shown_gaze_yaw_degrees, face.shown_gaze_pitch_degrees),
            "–" if face.eye_openness is None else f"{face.eye_openness.left:.2f} {face.eye_openness.right:.2f}",
        )
    return table


def _degrees(*angles: float | None) -> str:
    return " ".join("–" if angle is None else f"{angle:+.0f}°" for angle in angles)
