"""From an address to the file that binds the library for it.

That file is imported only then, so a board without picamera2 or GStreamer runs everything else.
"""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, cast

from edged.capture.source import Kind, Source, Wait, kind_of

if TYPE_CHECKING:
    from edged.settings import CaptureSettings

BINDINGS: dict[Kind, str] = {
    "v4l2": "edged.capture.v4l2:V4l2Source",
    "file": "edged.capture.files:FileSource",
    "images": "edged.capture.images:ImagesSource",
    "http": "edged.capture.http:HttpSource",
    "stream": "edged.capture.streams:StreamSource",
    "gstreamer": "edged.capture.gstreamer:GstreamerSource",
    "picamera2": "edged.capture.picamera:PicameraSource",
    "sitter": "edged.capture.sitter:SitterSource",
}


def open_source(settings: CaptureSettings, wait: Wait = time.sleep) -> Source:
    """The source that `settings.source` means, not yet opened.

    wait: called instead of time.sleep whenever the source idles. Raises SourceUnsupported.
    """
    module, _, name = BINDINGS[kind_of(settings.source)].partition(":")
    return cast("Source", getattr(importlib.import_module(module), name)(settings, wait))
