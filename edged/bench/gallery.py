"""How fast a large gallery is searched, loaded and changed, and what it weighs; with people who are made up."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.inference.recognition.known import Matrix, to_bytes
from edged.inference.recognition.vectors import LENGTH
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector

EMBEDDINGS, EACH, QUERIES = 10_000, 5, 1000
_CHANGES = 20


def measure(embeddings: int = EMBEDDINGS, each: int = EACH, queries: int = QUERIES) -> dict[str, Any]:
    """Times in milliseconds, sizes in megabytes. each: vectors of one person."""
    chance = np.random.default_rng(1)
    people = chance.normal(size=(max(1, embeddings // each), LENGTH))
    with tempfile.TemporaryDirectory() as folder, Gallery(Path(folder)) as gallery:
        started = time.perf_counter()
        gallery.enrol_all(
            [
                (f"person {number}", [_kept(own + 0.5 * chance.normal(size=LENGTH)) for _ in range(each)])
                for number, own in enumerate(people)
            ]
        )
        enrolled = time.perf_counter()
        contents = gallery.contents()
        matrix = Matrix(contents.people.values(), contents.vectors)
        loaded = time.perf_counter()
        wanted = chance.integers(0, len(people), queries)
        right, times = 0, []
        for person in wanted:
            asked = _unit(people[person] + 0.5 * chance.normal(size=LENGTH))
            began = time.perf_counter()
            match = matrix.search(asked)
            times.append(time.perf_counter() - began)
            right += match is not None and match.person.name == f"person {person}"
        changes, waits = _changed_beside(Path(folder), matrix, people)
        return {
            "embeddings": len(matrix.rows),
            "people": len(people),
            "search_ms": {"median": _ms(np.median(times)), "p99": _ms(np.percentile(times, 99))},
            "found": right / queries,
            "enrol_all_ms": _ms(enrolled - started),
            "load_ms": _ms(loaded - enrolled),
            "matrix_megabytes": round(matrix.rows.nbytes / 1e6, 2),
            "file_megabytes": round((Path(folder) / "gallery.db").stat().st_size / 1e6, 2),
            "enrol_and_forget_ms": _ms(np.median(changes)),
            "search_meanwhile_ms": {"median": _ms(np.median(waits)), "p99": _ms(np.percentile(waits, 99))},
        }


def _changed_beside(folder: Path, matrix: Matrix, people: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Enrol and forget somebody again and again while another thread searches: seconds of each."""
    ended = threading.Event()
    waits: list[float] = []
    asked = _unit(people[0])

    def search() -> None:
        while not ended.is_set():
            began = time.perf_counter()
            matrix.search(asked)
            waits.append(time.perf_counter() - began)

    searcher = threading.Thread(target=search)
    searcher.start()
    changes = []
    try:
        with Gallery(folder) as gallery:
            for _ in range(_CHANGES):
                began = time.perf_counter()
                gallery.enrol("somebody", [_kept(people[0]) for _ in range(5)])
                gallery.forget("somebody")
                changes.append(time.perf_counter() - began)
    finally:
        ended.set()
        searcher.join()
    return changes, waits


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _kept(vector: NDArray[np.float64]) -> NewVector:
    return NewVector("made up", "1", to_bytes(_unit(vector)), 1.0, "image")


def _ms(seconds: float | np.floating[Any]) -> float:
    return round(float(seconds) * 1000, 3)
