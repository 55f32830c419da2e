"""GStreamer pipelines (`gstreamer:nvarguscamerasrc ! …`) through an OpenCV that was built with GStreamer."""

from __future__ import annotations

import re

import cv2

from edged.capture.source import redact
from edged.capture.streams import StreamSource
from edged.errors import SourceUnavailable, SourceUnsupported

# Never a queue between the camera and us: an old picture is worth less than none.
_SINK = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"


def pipeline_of(address: str) -> str:
    """The pipeline an address means; without an appsink of its own it is given ours."""
    pipeline = address.partition(":")[2].strip().strip("!").strip()
    return pipeline if re.search(r"\bappsink\b", pipeline) else f"{pipeline} ! {_SINK}"


class GstreamerSource(StreamSource):
    """Whatever GStreamer can bring to an appsink."""

    def _kind(self) -> str:
        return "GStreamer"

    def _open_video(self) -> cv2.VideoCapture:
        shown = redact(self._address)
        if not self._address.partition(":")[2].strip():
            raise SourceUnsupported(shown, "names no pipeline", "gstreamer:videotestsrc ! video/x-raw,width=640")
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise SourceUnsupported(
                shown,
                "this OpenCV was built without GStreamer, as all wheels from PyPI are",
                "sudo apt install python3-opencv gstreamer1.0-plugins-good gstreamer1.0-plugins-bad, and a virtual "
                "environment made with --system-site-packages and without opencv-python-headless",
            )
        milliseconds = max(200, round(self._settings.frozen_seconds * 1000))
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 10_000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        video = cv2.VideoCapture(pipeline_of(self._address), cv2.CAP_GSTREAMER, options)
        if not video.isOpened():
            # The two time limits came with OpenCV 4.5.5; Debian 12 has 4.6, JetPack 5 has 4.5.4.
            video.release()
            video = cv2.VideoCapture(pipeline_of(self._address), cv2.CAP_GSTREAMER)
        if not video.isOpened():
            video.release()
            raise SourceUnavailable(shown, "the pipeline does not start", "try it with gst-launch-1.0 first")
        return video
