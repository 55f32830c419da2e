"""Clips made on the spot, and a network camera on the loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.capture.source import Captured, Source
from edged.settings import CaptureSettings

Image = NDArray[np.uint8]


def numbered(number: int, width: int = 320, height: int = 240) -> Image:
    """A picture that tells its number by its brightness and its corners by colour."""
    image = np.full((height, width, 3), 20 + number * 8 % 200, np.uint8)
    half_height, half_width = height // 4, width // 4
    image[:half_height, :half_width] = (0, 0, 255)  # top left red
    image[:half_height, -half_width:] = (0, 255, 0)  # top right green
    image[-half_height:, :half_width] = (255, 0, 0)  # bottom left blue
    return image


def number_of(image: Image) -> int:
    """The number a picture from `numbered` tells; good to one after lossy coding."""
    height, width = image.shape[:2]
    return round((float(image[height // 2, width // 2].mean()) - 20) / 8)


def corner(image: Image, name: str) -> str:
    """Colour of a corner: red, green, blue or grey."""
    height, width = image.shape[:2]
    row = height // 8 if "top" in name else -height // 8
    column = width // 8 if "left" in name else -width // 8
    pixel = image[row, column].astype(int)
    if pixel.max() - pixel.min() < 60:
        return "grey"
    return ("blue", "green", "red")[int(pixel.argmax())]


def jpeg_of(image: Image) -> bytes:
    return bytes(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 95))[1].tobytes())


def write_clip(path: Path, frames: int = 12, rate: float = 20.0, width: int = 320, height: int = 240) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(numbered(number, width, height))
    writer.release()
    return path


def settings(source: object, **options: Any) -> CaptureSettings:
    return CaptureSettings(source=str(source), **options)


def read_all(source: Source, most: int = 1000) -> list[Captured]:
    """Every picture until the end. The images are copies."""
    found: list[Captured] = []
    while len(found) < most and (captured := source.read()) is not None:
        image = captured.image.copy()
        found.append(Captured(image, captured.frame, captured.at_ms, captured.captured_ns, captured.wall_ns))
    return found


class NetworkCamera:
    """A camera that speaks HTTP: MJPEG on /mjpeg, one JPEG on /still, a clip on /clip.mp4; /silent says nothing."""

    def __init__(self, clip: Path | None = None) -> None:
        self.frozen = threading.Event()
        self.gone = threading.Event()
        self.authorization = ""
        self.clip = clip
        self.pictures = [jpeg_of(numbered(number, 640, 480)) for number in range(20)]
        self.with_length = True
        self._server: ThreadingHTTPServer | None = None
        self._connections: list[socket.socket] = []
        self.port = 0

    def start(self) -> None:
        """Listen; again on the same port after a `stop`."""
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._connections.append(self.connection)
                try:
                    camera._answer(self)
                except (BrokenPipeError, ConnectionError, ValueError):
                    pass

            def log_message(self, *arguments: Any) -> None:
                pass

        self.gone.clear()
        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Die, breaking all connections."""
        self.gone.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._connections.clear()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.authorization and request.headers.get("Authorization") != self.authorization:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
            request.end_headers()
        elif request.path == "/mjpeg":
            self._answer_mjpeg(request)
        elif request.path == "/still":
            self._answer_bytes(request, "image/jpeg", self.pictures[0])
        elif request.path == "/clip.mp4" and self.clip is not None:
            self._answer_bytes(request, "video/mp4", self.clip.read_bytes())
        elif request.path == "/silent":
            self.gone.wait(30)
        else:
            request.send_error(404)

    def _answer_bytes(self, request: BaseHTTPRequestHandler, kind: str, data: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _answer_mjpeg(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        number = 0
        while not self.gone.is_set():
            if self.frozen.is_set():
                time.sleep(0.02)
                continue
            picture = self.pictures[number % len(self.pictures)]
            length = f"Content-Length: {len(picture)}\r\n" if self.with_length else ""
            head = f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode()
            request.wfile.write(head + picture + b"\r\n")
            number += 1
            time.sleep(0.02)

    def address(self, path: str, user_info: str = "") -> str:
        return f"http://{user_info}127.0.0.1:{self.port}{path}"


@contextmanager
def network_camera(clip: Path | None = None) -> Iterator[NetworkCamera]:
    camera = NetworkCamera(clip)
    camera.start()
    try:
        yield camera
    finally:
        camera.stop()
