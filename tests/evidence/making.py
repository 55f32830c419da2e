"""Evidence of made-up events, sealed for real."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from edged.events import event_id, iso_utc
from edged.evidence import sealing
from edged.evidence.album import Album
from edged.evidence.container import Header, Picture, pack

KEY = bytes(range(32))


def an_id(at_seconds: float | None = None) -> str:
    wall_ns = time.time_ns() if at_seconds is None else int(at_seconds * 1e9)
    return event_id(wall_ns, os.urandom(8))


def details(event: str, verdict: str = "spoof") -> bytes:
    return json.dumps({"id": event, "kind": "security", "verdict": verdict, "person": "anna"}).encode()


def packed(event: str, pictures: int = 2, key: bytes = KEY, camera: str = "front") -> bytes:
    """The content of a file with so many `pictures` that only look like JPEGs."""
    salt = sealing.new_salt()
    header = Header(event, camera, "security", iso_utc(time.time_ns()), salt.hex(), sealing.key_name(key), [])
    taken = [
        Picture(time.time_ns() // 1_000_000, number, b"\xff\xd8 picture %d" % number) for number in range(pictures)
    ]
    return pack(header, sealing.file_key(key, salt, event), details(event), taken)


def key_file(folder: Path, key: bytes = KEY) -> Path:
    path = folder / "evidence.key"
    path.write_text(key.hex() + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


def fill(folder: Path, *at_seconds: float) -> list[str]:
    """Evidence of events at these moments (Unix seconds); their ids."""
    album = Album(folder)
    ids = [an_id(at) for at in at_seconds]
    for event in ids:
        album.write(event, packed(event))
    return ids
