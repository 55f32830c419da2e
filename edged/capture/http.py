"""HTTP cameras: MJPEG and single JPEGs read here, so that a picture nobody wants is never decoded; the rest FFmpeg.

FFmpeg would decode every picture at full size.
"""

from __future__ import annotations

import http.client
import logging
import select
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from edged.capture import jpeg
from edged.capture.multipart import Multipart, boundary_of
from edged.capture.shaping import Shaper
from edged.capture.source import Captured, Wait, redact
from edged.capture.streams import OPEN_SECONDS, StreamSource
from edged.capture.thinning import Thinning
from edged.errors import SourceUnavailable, SourceUnsupported

if TYPE_CHECKING:
    from edged.settings import CaptureSettings

log = logging.getLogger(__name__)

_CHUNK = 256 * 1024
_MOST_CHUNKS = 32
_SLICE_SECONDS = 0.25
_FIRST_PICTURE_SECONDS = 8.0


class HttpSource:
    """A camera behind a web address; what it sends is looked at before it is decided how to read it."""

    live = True

    def __init__(self, settings: CaptureSettings, wait: Wait = time.sleep) -> None:
        self._settings = settings
        self._wait = wait
        self._shown = redact(settings.source)
        self._address, self._opener = _opener(settings.source)
        self._shaper = Shaper(settings)
        self._thinning = Thinning()
        self._response: http.client.HTTPResponse | None = None
        self._parts: Multipart | None = None
        self._still = False
        self._video: StreamSource | None = None
        self._size: tuple[int, int] | None = None
        self._frame = -1
        self._due = 0.0
        self.description = f"HTTP {self._shown}"
        self.frames_per_second: float | None = None
        self.frame_count: int | None = None

    def open(self) -> None:
        self.close()
        self._frame = -1
        self._due = 0.0
        response = self._request()
        content_type = response.headers.get("Content-Type", "")
        boundary = boundary_of(content_type)
        self._still = content_type.lower().startswith("image/")
        if boundary is not None:
            self._response, self._parts = response, Multipart(boundary)
            self.description = f"HTTP MJPEG {self._shown}"
        elif self._still:
            response.close()
            self.description = f"HTTP pictures {self._shown} at {self._settings.frames_per_second:g} fps"
        else:
            response.close()
            self._video = StreamSource(self._settings, self._wait)
            self._video.set_interval(self._thinning.interval_seconds)
            self._video.open()
            self.description = self._video.description
            self.frames_per_second = self._video.frames_per_second

    def _request(self) -> http.client.HTTPResponse:
        try:
            response: http.client.HTTPResponse = self._opener.open(self._address, timeout=OPEN_SECONDS)
            return response
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (401, 403):
                raise SourceUnavailable(
                    self._shown, f"wants a user and a password ({error.code})", "http://user:password@host/…"
                ) from None
            raise SourceUnavailable(self._shown, f"answers {error.code} {error.reason}", "check the address") from None
        except urllib.error.URLError as error:
            reason = getattr(error.reason, "strerror", None) or str(error.reason)
            raise SourceUnavailable(self._shown, f"cannot be reached: {reason}", "is the camera on?") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SourceUnavailable(self._shown, f"cannot be reached: {_said(error)}", "is the camera on?") from None

    def read(self) -> Captured | None:
        if self._video is not None:
            return self._video.read()
        if not self._still and self._response is None:
            raise SourceUnavailable(self._shown, "is not open")
        while True:
            data = self._next_still() if self._still else self._next_part()
            captured_ns, wall_ns = time.monotonic_ns(), time.time_ns()
            if not self._still and not self._thinning.wanted(captured_ns / 1e9):
                continue
            image = jpeg.decode(data, self._shaper)
            if image is None:
                log.debug("%s sent a damaged picture", self._shown)
                continue
            if self._size is None and (size := jpeg.jpeg_size(data)):
                self._size = size[:2]
                analysed = self._shaper.size(*self._size)
                self.description += f" {size[0]}x{size[1]}, analysed as {analysed[0]}x{analysed[1]}"
            return Captured(self._shaper.shape(image), self._frame, captured_ns / 1e6, captured_ns, wall_ns)

    def _next_part(self) -> bytes:
        """The newest picture that has arrived."""
        assert self._response is not None
        assert self._parts is not None
        newest = b""
        for _ in range(_MOST_CHUNKS):
            if newest and not select.select([self._response], [], [], 0)[0]:
                return newest
            for body in self._receive(self._response, self._parts):
                newest = body
                self._frame += 1
        while not newest:
            for body in self._receive(self._response, self._parts):
                newest = body
                self._frame += 1
        return newest

    def _receive(self, response: http.client.HTTPResponse, parts: Multipart) -> list[bytes]:
        allowed = self._settings.frozen_seconds if self._frame >= 0 else _FIRST_PICTURE_SECONDS
        deadline = time.monotonic() + allowed
        while not select.select([response], [], [], _SLICE_SECONDS)[0]:
            self._wait(0.0)
            if time.monotonic() >= deadline:
                raise SourceUnavailable(self._shown, f"no picture for {allowed:g} s", "is the camera's network well?")
        try:
            data = response.read1(_CHUNK)
            if data:
                return parts.feed(data)
        except (OSError, http.client.HTTPException) as error:
            raise SourceUnavailable(self._shown, f"the connection broke: {_said(error)}", "is the camera on?") from None
        except ValueError as error:
            raise SourceUnavailable(self._shown, f"sends no MJPEG: {error}") from None
        raise SourceUnavailable(self._shown, "the stream ended", "is the camera on?")

    def _next_still(self) -> bytes:
        """Ask for the picture again when it is time."""
        period = max(1 / self._settings.frames_per_second, self._thinning.interval_seconds)
        now = time.monotonic()
        if self._due > now:
            self._wait(self._due - now)
        self._due = max(now, self._due) + period
        response = self._request()
        try:
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise SourceUnavailable(self._shown, f"the connection broke: {_said(error)}", "is the camera on?") from None
        finally:
            response.close()
        self._frame += 1
        return data

    def set_interval(self, seconds: float) -> None:
        self._thinning.interval_seconds = seconds
        if self._video is not None:
            self._video.set_interval(seconds)

    def close(self) -> None:
        self._size = None
        if self._response is not None:
            self._response.close()
            self._response = None
        if self._video is not None:
            self._video.close()
            self._video = None


class _HangUp(urllib.request.BaseHandler):
    """Closes the connection of a refusal before the next attempt, which urllib leaves to the garbage collector."""

    handler_order = 100  # before those that try again with a password

    def http_error_401(self, request: urllib.request.Request, response: http.client.HTTPResponse, *_: object) -> None:
        response.close()


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _opener(address: str) -> tuple[str, urllib.request.OpenerDirector]:
    """The address without user and password, and an opener that knows them. Raises SourceUnsupported."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:  # `from None`: the exception may carry the password
        raise SourceUnsupported(redact(address), "is no address", "brackets belong around IPv6 only") from None
    user_info, at, host = parts.netloc.rpartition("@")
    bare = urllib.parse.urlunsplit(parts._replace(netloc=host))
    handlers: list[urllib.request.BaseHandler] = []
    if at:
        user, _, password = user_info.partition(":")
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, bare, urllib.parse.unquote(user), urllib.parse.unquote(password))
        handlers = [
            _HangUp(),
            urllib.request.HTTPBasicAuthHandler(passwords),
            urllib.request.HTTPDigestAuthHandler(passwords),
        ]
    return bare, urllib.request.build_opener(*handlers)
