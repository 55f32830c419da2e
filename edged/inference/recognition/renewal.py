"""After the model changed: people's vectors are made anew from kept pictures, where there are any."""

from __future__ import annotations

import cv2
import numpy as np

from edged.inference.crops import Image
from edged.inference.recognition.alignment import SIZE
from edged.inference.recognition.embedders import Embedder
from edged.inference.recognition.known import to_bytes
from edged.store.gallery import Gallery
from edged.store.gallery_people import Contents, NewVector


def to_png(aligned: Image) -> bytes:
    """An aligned face as it is kept: nothing is lost."""
    return bytes(cv2.imencode(".png", aligned)[1])


def from_png(picture: bytes) -> Image | None:
    """A kept face; None for what is none."""
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (SIZE, SIZE, 3):
        return None
    return image  # type: ignore[return-value]


def renew(gallery: Gallery, contents: Contents, embedder: Embedder) -> tuple[list[str], list[str]]:
    """(who was embedded anew, who must be enrolled again), by name. Raises StoreError, GalleryError."""
    fit = {one.person for one in contents.vectors if (one.model, one.version) == (embedder.model, embedder.version)}
    renewed, lost = [], []
    for person in contents.people.values():
        others = [one for one in contents.vectors if one.person == person.id]
        if person.stranger or person.id in fit or not others:
            continue
        made: dict[bytes, NewVector] = {}
        for old in others:
            picture = gallery.picture(old.id) if old.has_picture else None
            aligned = from_png(picture) if picture is not None else None
            vector = embedder.embed(aligned) if aligned is not None else None
            if picture is not None and vector is not None:
                made[picture] = NewVector(
                    embedder.model, embedder.version, to_bytes(vector), old.quality, old.source, old.origin, picture
                )
        if made:
            gallery.enrol(person.name, list(made.values()))
            renewed.append(person.name)
        else:
            lost.append(person.name)
    return renewed, lost


def must_enrol_again(contents: Contents, model: str, version: str) -> list[str]:
    """People with neither a vector of this model nor a kept picture."""
    good = {one.person for one in contents.vectors if (one.model, one.version) == (model, version) or one.has_picture}
    return sorted(one.name for one in contents.people.values() if not one.stranger and one.id not in good)
