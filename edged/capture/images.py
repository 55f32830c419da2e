"""Pictures: one, or a folder of them in natural order. JPEGs are decoded no larger than needed."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edged.capture import jpeg
from edged.capture.shaping import Shaper
from edged.capture.source import IMAGE_SUFFIXES, Captured, Wait, local_path
from edged.errors import SourceUnavailable

if TYPE_CHECKING:
    from edged.settings import CaptureSettings

log = logging.getLogger(__name__)


class ImagesSource:
    """Pictures shown one after the other at the set rate; a looped folder is read anew each time round."""

    live = False

    def __init__(self, settings: CaptureSettings, wait: Wait = time.sleep) -> None:
        self._settings = settings
        self._path = local_path(settings.source)
        self._wait = wait
        self._realtime = settings.pace == "realtime"
        self._shaper = Shaper(settings)
        self._interval_seconds = 0.0
        self._files: list[Path] = []
        self._next = 0
        self._shown = 0
        self._due_ns: int | None = None
        self._frame = -1
        self.description = f"pictures {self._path.name}"
        self.frames_per_second: float | None = settings.frames_per_second
        self.frame_count: int | None = None

    def open(self) -> None:
        self._files = self._list()
        self._next = self._shown = 0
        self._frame = -1
        self._due_ns = None
        self.frame_count = None if self._settings.loop else len(self._files)
        what = (
            f"{len(self._files)} pictures in {self._path.name}" if self._path.is_dir() else f"picture {self._path.name}"
        )
        self.description = f"{what} at {self._settings.frames_per_second:g} fps"

    def _list(self) -> list[Path]:
        shown = str(self._path)
        try:
            if not self._path.is_dir():
                with self._path.open("rb"):
                    return [self._path]
            files = [path for path in self._path.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
        except FileNotFoundError as error:
            raise SourceUnavailable(shown, "there is no such file or folder", "check the path") from error
        except OSError as error:
            raise SourceUnavailable(shown, f"may not be read: {error.strerror}", f"chmod -R a+rX {shown}") from error
        if not files:
            raise SourceUnavailable(
                shown, "holds no pictures", f"it needs files named {', '.join(sorted(IMAGE_SUFFIXES))}"
            )
        return sorted(files, key=_natural)

    def read(self) -> Captured | None:
        while True:
            if self._next >= len(self._files):
                if not self._files:
                    raise SourceUnavailable(str(self._path), "is not open")
                if not self._shown:
                    raise SourceUnavailable(str(self._path), "holds no picture that can be decoded")
                if not self._settings.loop:
                    return None
                self._files = self._list()
                self._next = self._shown = 0
            path = self._files[self._next]
            self._next += 1
            self._frame += 1
            try:
                image = jpeg.decode(path.read_bytes(), self._shaper)
            except OSError:
                image = None
            if image is None:
                log.warning("%s cannot be decoded and is left out", path)
                continue
            self._shown += 1
            self._keep_time()
            at_ms = self._frame * 1000 / self._settings.frames_per_second
            return Captured(self._shaper.shape(image), self._frame, at_ms, time.monotonic_ns(), time.time_ns())

    def _keep_time(self) -> None:
        if not self._realtime:
            return
        now = time.monotonic_ns()
        # Nothing is lost by showing every picture later: a wish for fewer just slows the show.
        period_ns = int(max(1 / self._settings.frames_per_second, self._interval_seconds) * 1e9)
        if self._due_ns is not None and self._due_ns > now:
            self._wait((self._due_ns - now) / 1e9)
        self._due_ns = max(now, self._due_ns or now) + period_ns

    def set_interval(self, seconds: float) -> None:
        self._interval_seconds = seconds

    def close(self) -> None:
        self._files = []


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts 2.jpg before 10.jpg."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
