"""`multipart/x-mixed-replace`: the endless list of JPEGs that network cameras call MJPEG."""

from __future__ import annotations

import re

_LARGEST_PART = 16 * 1024 * 1024
_LENGTH = re.compile(rb"^content-length:\s*(\d+)\s*$", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(r"boundary\s*=\s*(?:\"([^\"]+)\"|([^;\s]+))", re.IGNORECASE)


def boundary_of(content_type: str) -> bytes | None:
    """The line that parts the pictures, without its dashes; `None`: not multipart."""
    if not content_type.lower().startswith("multipart/"):
        return None
    match = _BOUNDARY.search(content_type)
    if not match:
        return None
    # Some cameras write the dashes into the header as well.
    return (match[1] or match[2]).encode("latin-1").lstrip(b"-")


class Multipart:
    """Cuts a stream into the bodies of its parts, however it is chopped up on the way."""

    def __init__(self, boundary: bytes) -> None:
        self._boundary = b"--" + boundary
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take in what arrived; the bodies that are complete now. Raises ValueError if this is no multipart stream."""
        self._buffer += data
        bodies = []
        while (body := self._next()) is not None:
            if body:
                bodies.append(body)
        if len(self._buffer) > _LARGEST_PART:
            raise ValueError("no picture ends within 16 MB")
        return bodies

    def _next(self) -> bytes | None:
        buffer = self._buffer
        start = buffer.find(self._boundary)
        if start < 0:
            return None
        headers = start + len(self._boundary)
        end_of_headers = buffer.find(b"\r\n\r\n", headers)
        if end_of_headers < 0:
            return None
        first = end_of_headers + 4
        length = _LENGTH.search(buffer[headers:end_of_headers].replace(b"\r\n", b"\n"))
        if length:
            end = first + int(length[1])
            if end - first > _LARGEST_PART:
                raise ValueError("a picture of more than 16 MB is announced")
            if len(buffer) < end:
                return None
        else:
            end = buffer.find(b"\r\n" + self._boundary, first)
            if end < 0:
                return None
        body = bytes(buffer[first:end])
        del buffer[:end]
        return body
