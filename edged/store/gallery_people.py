"""Who and what is in the gallery: people, strangers, and the vectors of their faces."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

from edged.errors import GalleryError

STRANGER_PREFIX = "unknown-"
# What no enrolled person may be called: strangers' names, and what verdicts say instead of a name.
_RESERVED = re.compile(r"(unknown(-\d+)?|undecided|nobody)", re.IGNORECASE)
_NAME_LIMIT = 64


class NewVector(NamedTuple):
    """A vector to be kept. source: image, camera, learned or stranger; origin: the image's file name. picture: PNG."""

    model: str
    version: str
    vector: bytes
    quality: float
    source: str
    origin: str = ""
    picture: bytes | None = None


class Vector(NamedTuple):
    """A vector as it is kept. person: its owner's id."""

    id: int
    person: int
    model: str
    version: str
    vector: bytes
    quality: float
    added_at: float
    source: str
    origin: str
    has_picture: bool


class Person(NamedTuple):
    """Somebody. first_seen_at, last_seen_at: of strangers, Unix seconds."""

    id: int
    name: str
    stranger: bool
    created_at: float
    first_seen_at: float | None
    last_seen_at: float | None


@dataclass
class Contents:
    """All there is, as far as its seals are good. problems: what somebody changed without the key, by name."""

    people: dict[int, Person] = field(default_factory=dict)
    vectors: list[Vector] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def check_name(name: str) -> str:
    """The name as it is kept. Raises GalleryError for what cannot be one."""
    name = as_kept(name)
    if not name or len(name) > _NAME_LIMIT or not name.isprintable():
        raise GalleryError(f"{name!r} is no name (1 to {_NAME_LIMIT} printable characters)")
    if _RESERVED.fullmatch(name):
        raise GalleryError(f"{name!r} is what somebody without a name is called (give another name)")
    return name


def as_kept(name: str) -> str:
    """However it was typed, the same letters are the same name."""
    return unicodedata.normalize("NFC", name).strip()
