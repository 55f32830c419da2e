"""The sitter: a synthetic camera. `sitter:` plays the demonstration, `sitter:SCRIPT.toml` a script of your own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from edged.capture import sitter_script
from edged.capture.shaping import Shaper
from edged.capture.sitter_drawing import SitterPainter
from edged.capture.source import Captured, Wait, local_path
from edged.errors import SourceUnavailable

if TYPE_CHECKING:
    from edged.settings import CaptureSettings

DEMO_SCRIPT = Path(__file__).with_name("sitter_demo.toml")


def script_path(address: str) -> Path:
    """The script that a `sitter:` address means."""
    rest = address.partition(":")[2].removeprefix("//")
    return local_path(rest) if rest else DEMO_SCRIPT


def load_script(address: str) -> sitter_script.Script:
    """The timeline, and so the ground truth, of a `sitter:` address. Raises SettingsError."""
    return sitter_script.load(script_path(address))


class SitterSource:
    """Frame n shows the script at n / fps seconds, so numbers stay true when frames are skipped."""

    live = True

    def __init__(self, settings: CaptureSettings, wait: Wait = time.sleep) -> None:
        self._settings = settings
        self._wait = wait
        self._realtime = settings.pace == "realtime"
        self._rate = settings.frames_per_second
        self._interval_seconds = 0.0
        self._script: sitter_script.Script | None = None
        self._painter: SitterPainter | None = None
        self._shaper = Shaper(settings)
        self._began_ns: int | None = None
        self._next_frame = 0
        self.live = self._realtime
        self.description = "sitter"
        self.frames_per_second: float | None = self._rate
        self.frame_count: int | None = None

    def open(self) -> None:
        settings = self._settings
        self._script = load_script(settings.source)
        size = (settings.width, settings.height)
        if self._painter is None:
            self._painter = SitterPainter(*size, self._script.seed)
            self._painter.prepare(self._script.truth_at(0.0).width, self._script.noise)
        self.frame_count = None if settings.loop else max(1, round(self._script.duration_seconds * self._rate))
        self._began_ns = None
        self._next_frame = 0
        self.description = f"sitter {self._script.title or 'script'} {size[0]}x{size[1]} at {self._rate:g} fps"

    def read(self) -> Captured | None:
        if self._script is None or self._painter is None:
            raise SourceUnavailable(self.description, "is not open")
        frame = self._due_frame() if self._realtime else self._next_frame
        if self.frame_count is not None and frame >= self.frame_count:
            return None
        self._next_frame = frame + 1
        seconds = frame / self._rate
        # The shutter, so to speak, opens before drawing begins: latency then counts the drawing too.
        captured_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        picture = self._painter.paint(self._script.truth_at(seconds), frame)
        return Captured(self._shaper.shape(picture), frame, seconds * 1000, captured_ns, wall_ns)

    def _due_frame(self) -> int:
        """Wait for the next frame that is wanted and not over yet."""
        now = time.monotonic_ns()
        if self._began_ns is None:
            self._began_ns = now
        frame = self._next_frame
        if frame:
            # One less than the interval's frames were already counted by read().
            frame += max(0, round(self._interval_seconds * self._rate) - 1)
        frame = max(frame, int((now - self._began_ns) / 1e9 * self._rate))
        ahead_seconds = frame / self._rate - (now - self._began_ns) / 1e9
        if ahead_seconds > 0:
            self._wait(ahead_seconds)
        return frame

    def set_interval(self, seconds: float) -> None:
        self._interval_seconds = seconds

    def close(self) -> None:
        self._script = None
