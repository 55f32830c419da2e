"""Enrols people, one after the other, until it is killed; says each name once it was told that it is enrolled."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector


def main() -> None:
    with Gallery(Path(sys.argv[1])) as gallery:
        for number in range(100_000):
            vectors = [NewVector("m", "1", os.urandom(512), 0.9, "image") for _ in range(20)]
            gallery.enrol(f"person {number}", vectors)
            print(number, flush=True)


if __name__ == "__main__":
    main()
