r"""The file of one event's evidence.

    edged evidence 1\n
    {"event": …, "camera": …, "kind": …, "at": …, "salt": …, "key": …, "parts": [{"bytes": …}, …]}\n
    part 0, part 1, …

Part 0 is the event's payload, the others are JPEGs; each is sealed by itself with both lines as associated data, so that no
byte of the file can be changed, and no part moved, unnoticed, and a damaged picture does not take the others with it. The
lines are in clear: they say what and when, and never who.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edged.errors import EvidenceError
from edged.evidence import sealing

ID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAGIC = b"edged evidence 1\n"
_HEADER_LIMIT = 64 * 1024


class Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """bytes: as sealed. wall_ms: UTC, Unix milliseconds, when the picture was captured. frame: its number."""

    bytes: int
    wall_ms: int = 0
    frame: int = -1


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What everybody may know who can read the file. salt: hexadecimal. key: name of the owner's key."""

    event: str
    camera: str
    kind: str
    at: str
    salt: str
    key: str
    parts: list[Part]

    @property
    def pictures(self) -> int:
        """How many."""
        return len(self.parts) - 1


@dataclass(frozen=True)
class Picture:
    """One JPEG. wall_ms: UTC, Unix milliseconds."""

    wall_ms: int
    frame: int
    jpeg: bytes


@dataclass(frozen=True)
class Opened:
    """What was in a file. details: the event's payload (JSON). problems: one sentence for each part that cannot be opened."""

    header: Header
    details: bytes
    pictures: list[Picture]
    problems: list[str]


def pack(header: Header, of_file: bytes, details: bytes, pictures: list[Picture]) -> bytes:
    """The content of a file. header: without parts. of_file: from `sealing.file_key` with the header's salt and event."""
    sizes = [Part(len(details) + sealing.TAG_BYTES)]
    sizes += [Part(len(each.jpeg) + sealing.TAG_BYTES, each.wall_ms, each.frame) for each in pictures]
    head = _MAGIC + msgspec.json.encode(msgspec.structs.replace(header, parts=sizes)) + b"\n"
    clear = [details, *(each.jpeg for each in pictures)]
    return head + b"".join(sealing.seal(part, of_file, number, head) for number, part in enumerate(clear))


def read_header(path: Path) -> Header:
    """What the file says of itself, unproved. Raises EvidenceError, which names the file, and OSError."""
    with path.open("rb") as source:
        return _split(source.read(_HEADER_LIMIT), path.name)[0]


def unpack(content: bytes, key: bytes, name: str) -> Opened:
    """Open all parts with the owner's key. name: of the file, for errors.

    Raises EvidenceError when it is no evidence, or sealed with another key. What is wrong with single parts is in
    `problems`; with all of them wrong it was the header that was altered.
    """
    header, head = _split(content, name)
    if header.key != sealing.key_name(key):
        raise EvidenceError(
            f"{name} was sealed with the key {header.key}, and this is the key {sealing.key_name(key)} "
            "(evidence.key_file; or its header was altered)"
        )
    problems = []
    expected = len(head) + sum(part.bytes for part in header.parts)
    if len(content) != expected:
        problems.append(f"{name} has {len(content)} bytes instead of {expected}: it was cut, or something was added")
    of_file = sealing.file_key(key, bytes.fromhex(header.salt), header.event)
    clear: list[bytes | None] = []
    begin = len(head)
    for number, part in enumerate(header.parts):
        what = f"picture {number}" if number else "the description of the event"
        try:
            clear.append(sealing.unseal(content[begin : begin + part.bytes], of_file, number, head))
        except EvidenceError as error:
            problems.append(f"{name}: {what} {error}")
            clear.append(None)
        begin += part.bytes
    if not any(part is not None for part in clear):
        problems = [f"{name}: nothing of it can be opened: its header was altered, or all of it"]
    pictures = [
        Picture(part.wall_ms, part.frame, jpeg)
        for part, jpeg in zip(header.parts[1:], clear[1:], strict=True)
        if jpeg is not None
    ]
    return Opened(header, clear[0] or b"", pictures, problems)


def _split(content: bytes, name: str) -> tuple[Header, bytes]:
    """The header, and both lines as they stand."""
    if not content.startswith(_MAGIC):
        raise EvidenceError(f"{name} is no evidence of edged, or its first line was altered")
    line, newline, _ = content[len(_MAGIC) : _HEADER_LIMIT].partition(b"\n")
    try:
        header = msgspec.json.decode(line, type=Header)
        salt = bytes.fromhex(header.salt)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        raise EvidenceError(f"{name}: its header was altered or cut") from None
    if (
        not newline
        or not header.parts
        or len(salt) != sealing.SALT_BYTES
        or not ID_PATTERN.fullmatch(header.event)
        or any(part.bytes < sealing.TAG_BYTES for part in header.parts)
    ):
        raise EvidenceError(f"{name}: its header was altered or cut")
    return header, _MAGIC + line + b"\n"
