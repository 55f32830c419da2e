"""What every picture source is, and which kind an address means. No camera library is imported here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from edged.errors import SourceUnsupported

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

Wait = Callable[[float], None]
"""Sleeps for about so many seconds. A source calls it whenever it idles, so that its owner can interrupt it
by raising and can tell the world that it is alive."""

Kind = Literal["v4l2", "file", "images", "http", "stream", "gstreamer", "picamera2", "sitter"]

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))
STREAM_SCHEMES = frozenset(("rtsp", "rtsps", "rtmp", "rtp", "udp", "tcp", "srt"))

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+):(//)?", re.IGNORECASE)
# Everything up to the last @ before the path: a password may itself contain an unescaped @ or :. With a user before
# it and no port, it may even contain what begins a path; then everything up to the last @ of all.
_USER_INFO = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^:/?#@\s\[]+:(?!\d*(?:[/?#\s]|$))\S*|[^/?#\s]*)@", re.IGNORECASE
)
# Of an address (`?pwd=…`) and of a GStreamer element (`rtspsrc user-pw=…`, in quotes or not).
_SECRET_QUERY = re.compile(
    r"(?P<key>[?&;\s][a-z_-]*(?:pas|pwd|pw|psw|token|secret|key|auth)[a-z_-]*)=(?:\"[^\"]*\"|'[^']*'|[^&;#\s]*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Captured:
    """One picture.

    image: uint8, height x width x 3, BGR, C-contiguous; cropped, turned, mirrored and scaled to fit the
    analysis size. It belongs to the source and may be overwritten by the next `read`.
    frame: the source's own number in decode order, from 0; keeps counting over the loops of a file.
    at_ms: stream time: position in a file (growing over its loops), scripted time of the sitter, monotonic
    milliseconds for a live camera. captured_ns: CLOCK_MONOTONIC. wall_ns: UTC.
    """

    image: Image
    frame: int
    at_ms: float
    captured_ns: int
    wall_ns: int


class Source(Protocol):
    """A place pictures come from. Not thread-safe; `close` may be called at any time and twice.

    live: a camera, whose frames are lost if nobody reads, as against a file.
    description: after `open`: what was negotiated, for logs and health; never holds a password.
    frame_count: number of frames where there is an end and it is known.
    frames_per_second: the source's own rate where known.
    """

    @property
    def live(self) -> bool: ...

    @property
    def description(self) -> str: ...

    @property
    def frame_count(self) -> int | None: ...

    @property
    def frames_per_second(self) -> float | None: ...

    def open(self) -> None:
        """Raises SourceUnavailable (worth trying again) or SourceUnsupported (it is not)."""

    def read(self) -> Captured | None:
        """The next picture, in its own time; `None` at the end. Raises SourceUnavailable when it is lost."""

    def set_interval(self, seconds: float) -> None:
        """Wish: at least this long between pictures that `read` returns; 0 means all. Played fast, a file ignores it."""

    def close(self) -> None:
        """Give the device back."""


def redact(address: str) -> str:
    """The address without user, password or secret query values, fit for logs and errors."""
    hidden = _USER_INFO.sub(lambda match: f"{match['scheme']}***@" if match["user"] else match[0], address)
    return _SECRET_QUERY.sub(lambda match: f"{match['key']}=***", hidden)


def local_path(address: str) -> Path:
    """The file or folder an address without another scheme means."""
    return Path(address.removeprefix("file://")).expanduser()


def _exists(address: str) -> bool:
    try:
        return local_path(address).exists()
    except (OSError, ValueError):
        return False


def kind_of(address: str) -> Kind:
    """Which kind of source an address means. Raises SourceUnsupported for a scheme nobody here speaks."""
    if address.isdecimal() or address.startswith("/dev/"):
        return "v4l2"
    match = _SCHEME.match(address)
    scheme = match[1].lower() if match else ""
    if scheme == "sitter":
        return "sitter"
    if scheme in ("gstreamer", "picamera2"):
        return "gstreamer" if scheme == "gstreamer" else "picamera2"
    if scheme in ("http", "https"):
        return "http"
    if scheme in STREAM_SCHEMES:
        return "stream"
    # A name with a colon in it may be a file's; one that is not there is more likely a mistyped scheme.
    if scheme not in ("", "file") and match and (match[2] or not _exists(address)):
        raise SourceUnsupported(
            redact(address),
            f"nothing here speaks {scheme}:{match[2] or ''}",
            "use /dev/videoN, a file, a folder of images, rtsp://, http://, gstreamer:, picamera2:N or sitter:",
        )
    path = local_path(address)
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:  # too long for a name, or with a zero in it
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceUnsupported(redact(address)[:100], f"cannot be a file: {reason}", "check the path") from None
    return "images" if is_folder or path.suffix.lower() in IMAGE_SUFFIXES else "file"
