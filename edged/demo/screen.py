"""The demo in the terminal: the sitter's truth beside what edged saw, events as they come, and the figures."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from edged.capture.sitter_drawing import SitterPainter
from edged.demo.scoring import Score
from edged.demo.stage import Stage
from edged.wording import payload_text

_PICTURE_COLUMNS, _PICTURE_ROWS = 44, 17
_EVENT_ROWS = 10
_SCORE_SECONDS = 1.0
_UPPER_HALF = "▀"


class Screen:
    """Renders a stage. The picture is drawn here from the script; no pixel leaves the daemon."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._painter = SitterPainter(_PICTURE_COLUMNS * 4, _PICTURE_ROWS * 8, stage.script.seed)
        self._score = Score()
        self._scored_at = 0.0

    def render(self) -> RenderableType:
        """The screen as it is now."""
        now = time.monotonic()
        if now - self._scored_at >= _SCORE_SECONDS:
            self._score, self._scored_at = self._stage.score(), now
        top = Table.grid(padding=(0, 1))
        top.add_row(
            Panel(self._picture(), title="the sitter, drawn", border_style="grey50"),
            Group(self._comparison(), self._figures()),
        )
        return Group(top, Panel(self._events(), title="events", border_style="grey50", padding=(0, 1)), self._hint())

    def _picture(self) -> RenderableType:
        seconds = self._stage.stream_seconds()
        if seconds is None:
            return Text("\n" * (_PICTURE_ROWS // 2) + "waiting for the first event …".center(_PICTURE_COLUMNS))
        rate = self._stage.settings.capture.frames_per_second
        image = self._painter.paint(self._stage.script.truth_at(seconds), round(seconds * rate))
        # Two pixels to a character: the upper half block's colour over the background's.
        rows, columns = _PICTURE_ROWS * 2, _PICTURE_COLUMNS
        small = image.reshape(rows, image.shape[0] // rows, columns, image.shape[1] // columns, 3).mean(axis=(1, 3))
        picture = Text()
        for row in range(0, rows, 2):
            uppers, lowers = small[row].astype(int).tolist(), small[row + 1].astype(int).tolist()
            for upper, lower in zip(uppers, lowers, strict=True):
                picture.append(_UPPER_HALF, Style(color=_colour(upper), bgcolor=_colour(lower)))
            picture.append("\n")
        picture.right_crop(1)
        return picture

    def _comparison(self) -> Table:
        table = Table("", "truth", "edged saw", box=None, padding=(0, 2), header_style="bold")
        seconds = self._stage.stream_seconds()
        truth = None if seconds is None else self._stage.script.truth_at(seconds)
        states = self._stage.heard.states
        presence, gaze, eyes = (states.get(aspect, {}) for aspect in ("presence", "gaze", "eyes"))
        there = None if truth is None else truth.present
        table.add_row("somebody there", _yes(there), _yes(presence.get("someone")))
        table.add_row("looks", _zone(truth.zone if truth else None), _zone(gaze.get("zone")))
        closed = None if truth is None or not truth.present else truth.zone == "eyes_closed"
        table.add_row("eyes held shut", _yes(closed), _yes(eyes.get("closed")))
        looked = None if truth is None or not truth.present else (truth.gaze_yaw_degrees, truth.gaze_pitch_degrees)
        table.add_row("gaze", _angles(looked), _angles((gaze.get("yaw_degrees"), gaze.get("pitch_degrees"))))
        return table

    def _figures(self) -> Table:
        heard = self._stage.heard
        latency = heard.percentiles()
        table = Table.grid(padding=(0, 2))
        table.add_row("")
        table.add_row("frames/s", f"{heard.health.get('frames_per_second', 0):.1f}")
        table.add_row("capture → here", f"p50 {_ms(latency['p50'])}, p95 {_ms(latency['p95'])}")
        stages = heard.health.get("stage_ms", {})
        table.add_row("stages", ", ".join(f"{name} {_ms(value)}" for name, value in stages.items()) or "–")
        table.add_row("health", heard.health.get("status", "–"))
        score = self._score
        verdict = f"{score.matched} matched, {len(score.missed)} missed, {len(score.false)} false"
        table.add_row("against the truth", Text(verdict, "red" if score.missed or score.false else "green"))
        return table

    def _events(self) -> RenderableType:
        lines = Text()
        false = {event["id"] for event in self._score.false}
        recent = self._stage.heard.events[-_EVENT_ROWS:]
        for event in recent:
            mark = Text("✗ ", "red") if event["id"] in false else Text("• ", "green")
            lines.append(mark).append(f"{event['at'][11:23]}  {event['kind']:<9} ").append(payload_text(event) + "\n")
        lines.append("\n" * (_EVENT_ROWS - len(recent)))
        lines.right_crop(1)
        return lines

    def _hint(self) -> Text:
        broker = self._stage.broker
        port = broker.port if broker else 0
        return Text(f"listen in: mosquitto_sub -p {port} -t 'edged/#' -v      Ctrl-C ends", "grey62")


def _colour(bgr: list[int]) -> str:
    return f"#{bgr[2]:02x}{bgr[1]:02x}{bgr[0]:02x}"


def _yes(value: Any) -> str:
    return "–" if value is None else "yes" if value else "no"


def _zone(value: str | None) -> str:
    return "–" if value is None else value.replace("_", " ")


def _angles(angles: tuple[float | None, float | None] | None) -> str:
    if angles is None or angles[0] is None or angles[1] is None:
        return "–"
    return f"{angles[0]:+4.0f}° {angles[1]:+4.0f}°"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"
