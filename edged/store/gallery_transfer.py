"""The gallery as a file to keep or to carry to another device: JSON, with a digest that finds damage.

The file is not sealed with the gallery's key, which stays on its device: whoever imports it vouches for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import struct
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from edged.errors import GalleryError
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector, check_name
from edged.whole_file import write_whole

_FORMAT = 1
_VECTOR_BYTES = 512
_LIMIT_BYTES = 512 * 1024 * 1024
_SOURCES = ("image", "camera", "learned", "stranger")


class CopiedVector(msgspec.Struct, forbid_unknown_fields=True):
    """vector, picture: base64."""

    model: str
    version: str
    vector: str
    quality: float
    added_at: float
    source: str
    origin: str = ""
    picture: str | None = None


class CopiedPerson(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody with their vectors."""

    name: str
    vectors: list[CopiedVector]


class _Copy(msgspec.Struct, forbid_unknown_fields=True):
    """The file. sha256: of the people, as MessagePack."""

    edged_gallery: int
    made_at: float
    sha256: str
    people: list[CopiedPerson]


class Imported(NamedTuple):
    """Names and how many vectors came; those that were there already are not counted."""

    people: dict[str, int]


def export_gallery(gallery: Gallery, path: Path, *, pictures: bool) -> list[str]:
    """Write everybody who has a name into a file that only its owner can read. Returns the names.

    Raises GalleryError: tampered with (a copy would make it look sound), or the file cannot be written.
    """
    contents = gallery.contents()
    if contents.problems:
        raise GalleryError(f"the gallery was tampered with, so it is not exported: {contents.problems[0]}")
    people = []
    for person in contents.people.values():
        if person.stranger:
            continue
        vectors = []
        for one in contents.vectors:
            if one.person == person.id:
                picture = gallery.picture(one.id) if pictures and one.has_picture else None
                vectors.append(
                    CopiedVector(
                        one.model, one.version, _text(one.vector), one.quality, one.added_at, one.source, one.origin,
                        None if picture is None else _text(picture),
                    )
                )  # fmt: skip
        people.append(CopiedPerson(person.name, vectors))
    copy = _Copy(_FORMAT, time.time(), _digest(people), people)
    if path.is_dir():
        raise GalleryError(f"{path} cannot be written: it is a folder (name a file in it)")
    # Noted first: a copy that nobody knows of could not be named when somebody is forgotten.
    gallery.note_export(path, copy.made_at)
    try:
        content = msgspec.json.format(msgspec.json.encode(copy), indent=1)
        write_whole(path, content, path.with_name(f".{path.name}.new"))
    except OSError as error:
        raise GalleryError(f"{path} cannot be written: {error.strerror}") from None
    return [person.name for person in people]


def import_gallery(gallery: Gallery, path: Path) -> Imported:
    """Add the people of such a file to those that are here; vectors that are here already are left alone.

    All of it or nothing. Raises GalleryError, naming what is wrong with the file.
    """
    copy = _read(path)
    new = [(check_name(one.name), [_vector(path, one, kept) for kept in one.vectors]) for one in copy.people]
    contents = gallery.contents()
    here = {(one.person, one.model, one.version, one.vector) for one in contents.vectors}
    coming: list[tuple[str, list[NewVector]]] = []
    for name, vectors in new:
        person = gallery.find(name)
        fresh = [
            one for one in vectors if person is None or (person.id, one.model, one.version, one.vector) not in here
        ]
        if fresh:
            coming.append((name, fresh))
    gallery.enrol_all(coming)
    return Imported({name: len(vectors) for name, vectors in coming})


def _read(path: Path) -> _Copy:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise GalleryError(f"{path} is larger than {_LIMIT_BYTES} bytes: no export of edged is")
        copy = msgspec.json.decode(path.read_bytes(), type=_Copy)
    except OSError as error:
        raise GalleryError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise GalleryError(f"{path} is no export of edged: {error}") from None
    if copy.edged_gallery != _FORMAT:
        raise GalleryError(f"{path} was written by a newer edged (format {copy.edged_gallery}): install that one")
    if copy.sha256 != _digest(copy.people):
        raise GalleryError(f"{path} is damaged or was changed: its digest does not fit (export it again)")
    return copy


def _vector(path: Path, person: CopiedPerson, kept: CopiedVector) -> NewVector:
    where = f"{path}: a vector of {person.name}"
    try:
        vector = base64.b64decode(kept.vector, validate=True)
        picture = None if kept.picture is None else base64.b64decode(kept.picture, validate=True)
    except (binascii.Error, ValueError):
        raise GalleryError(f"{where} is no base64") from None
    if len(vector) != _VECTOR_BYTES:
        raise GalleryError(f"{where} has {len(vector)} bytes and must have {_VECTOR_BYTES}")
    length = math.sqrt(sum(value * value for value in struct.unpack(f"<{_VECTOR_BYTES // 4}f", vector)))
    if not abs(length - 1) < 0.01:
        raise GalleryError(f"{where} has the length {length:.2f} and must have 1")
    if kept.source not in _SOURCES:
        raise GalleryError(f"{where} is from {kept.source!r}, which is none of {', '.join(_SOURCES)}")
    return NewVector(kept.model, kept.version, vector, kept.quality, kept.source, kept.origin, picture)


def _digest(people: list[CopiedPerson]) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(people)).hexdigest()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
