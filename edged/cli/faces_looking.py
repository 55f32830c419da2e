"""The part of `edged faces` that looks at pictures: imported by it alone, for it brings the networks."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.errors import GalleryError, SourceError
from edged.inference.models import ModelStore, default_directory
from edged.settings import Settings
from edged.store.directory import state_directory
from edged.store.gallery import Gallery

if TYPE_CHECKING:
    from edged.inference.recognition.enrolment import Enrolment, Report
    from edged.inference.recognition.pictures import Eyes

SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*s?")
_CAMERA_VECTORS = 8


def enrol_from(
    settings: Settings, name: str, paths: list[Path], seconds: float | None, *, keep_pictures: bool
) -> Report:
    """Enrol from these pictures and folders, or from the camera. Raises GalleryError, ModelError, SourceError."""
    from edged.inference.recognition.embedders import load_embedder
    from edged.inference.recognition.enrolment import Enrolment, most_different
    from edged.inference.recognition.pictures import Eyes
    from edged.inference.recognition.renewal import renew

    store = ModelStore(default_directory(settings.models))
    embedder = load_embedder(settings.inference, store)
    eyes = Eyes(settings.inference, store)
    try:
        with Gallery(state_directory(settings.store), settings.inference.recognition.key_file) as gallery:
            contents = gallery.contents()
            if contents.problems:
                raise GalleryError(f"the gallery was tampered with: {contents.problems[0]} (edged faces verify)")
            # After a change of the model, or the new pictures would be compared with nobody.
            if renew(gallery, contents, embedder)[0]:
                contents = gallery.contents()
            enrolment = Enrolment(name, embedder, contents, settings.inference, keep_pictures=keep_pictures)
            if seconds is None:
                _offer_files(enrolment, eyes, paths)
                return enrolment.finish(gallery, "image")
            _offer_frames(enrolment, eyes, settings, seconds)
            enrolment.candidates = most_different(enrolment.candidates, _CAMERA_VECTORS)
            report = enrolment.finish(gallery, "camera")
            return report._replace(refused=_summed(report.refused))
    finally:
        eyes.close()


def look_at(settings: Settings, paths: list[Path]) -> list[dict[str, Any]]:
    """One row per face, and per picture without one. Raises GalleryError, ModelError."""
    from edged.inference.recognition.alignment import align, five_points
    from edged.inference.recognition.embedders import load_embedder
    from edged.inference.recognition.known import Matrix
    from edged.inference.recognition.pictures import Eyes, picture_files, read_picture
    from edged.inference.recognition.quality import quality
    from edged.inference.recognition.renewal import renew

    recognition = settings.inference.recognition
    store = ModelStore(default_directory(settings.models))
    embedder = load_embedder(settings.inference, store)
    eyes = Eyes(settings.inference, store)
    with Gallery(state_directory(settings.store), recognition.key_file) as gallery:
        contents = gallery.contents()
        if not contents.problems and renew(gallery, contents, embedder)[0]:
            contents = gallery.contents()
    fits = [one for one in contents.vectors if (one.model, one.version) == (embedder.model, embedder.version)]
    known = Matrix([one for one in contents.people.values() if not one.stranger], fits)
    unknown = Matrix([one for one in contents.people.values() if one.stranger], fits)
    rows: list[dict[str, Any]] = []
    for path in picture_files(paths):
        image = read_picture(path)
        looked = None if image is None else eyes.picture(image)
        if looked is None or not looked.faces:
            why = _no_picture(path) if looked is None else "no face is seen"
            rows.append({"image": str(path), "known": False, "problem": why, "text": f"{path}: {why}"})
            continue
        for face in looked.faces:
            points = five_points(face)
            if points is None:
                continue
            aligned = align(looked.image, points, turn_upright=recognition.turn_upright)
            worth = quality(aligned, points, looked.measured.get(face.track), recognition.least_eye_pixels)
            vector = embedder.embed(aligned)
            best = None if vector is None else known.search(vector)
            is_known = best is not None and best.similarity >= embedder.threshold
            again = None if vector is None or is_known else unknown.search(vector)
            row: dict[str, Any] = {
                "image": str(path),
                "box": [round(side) for side in face.box],
                "known": is_known,
                "person": best.person.name if is_known and best else None,
                "nearest": None if best is None else best.person.name,
                "similarity": None if best is None else round(best.similarity, 4),
                "runner_up": None if best is None or best.runner_up is None else round(best.runner_up, 4),
                "stranger": again.person.name if again and again.similarity >= embedder.threshold else None,
                "threshold": embedder.threshold,
                "model": embedder.model,
                "quality": worth.score,
                "problem": worth.reason,
            }
            rows.append({**row, "text": _text(row)})
    eyes.close()
    return rows


def _offer_files(enrolment: Enrolment, eyes: Eyes, paths: list[Path]) -> None:
    from edged.inference.recognition.pictures import picture_files, read_picture

    for path in picture_files(paths):
        image = read_picture(path)
        if image is None:
            enrolment.refused.append((str(path), _no_picture(path)))
            continue
        looked = eyes.picture(image)
        enrolment.offer(looked.image, looked.faces, looked.measured, path.name)


def _no_picture(path: Path) -> str:
    if path.is_dir():
        return "no picture is in this folder (folders within are not looked into)"
    return "this is no picture" if path.exists() else "there is no such file"


def _offer_frames(enrolment: Enrolment, eyes: Eyes, settings: Settings, seconds: float) -> None:
    from edged.capture.opening import open_source

    source = open_source(settings.capture)
    try:
        source.open()
        ends_at, begun_ms, offered_ms = time.monotonic() + seconds, None, -1e9
        while time.monotonic() < ends_at and (captured := source.read()) is not None:
            begun_ms = captured.at_ms if begun_ms is None else begun_ms
            if captured.at_ms - begun_ms > seconds * 1000:
                break
            looked = eyes.frame(captured.image, captured.at_ms / 1000)
            if captured.at_ms - offered_ms >= 150:
                offered_ms = captured.at_ms
                enrolment.offer(looked.image, looked.faces, looked.measured, "camera")
    except SourceError as error:
        raise SourceError(
            error.source, error.reason,
            f"{error.cure + '; ' if error.cure else ''}a running daemon holds its camera: publish command/pause first, or "
            "enrol through the daemon",
        ) from None  # fmt: skip
    finally:
        source.close()


def _summed(refused: list[tuple[str, str]]) -> list[tuple[str, str]]:
    counts: dict[str, int] = {}
    for _, reason in refused:
        counts[reason] = counts.get(reason, 0) + 1
    return [(f"{count} frame{'s' * (count != 1)}", reason) for reason, count in counts.items()]


def _text(row: dict[str, Any]) -> str:
    where = f"{row['image']} at {row['box'][0]},{row['box'][1]}"
    poor = f"; a poor picture: {row['problem']}" if row["problem"] else ""
    if row["nearest"] is None:
        return f"{where}: nobody is enrolled with {row['model']}{poor}"
    next_best = "" if row["runner_up"] is None else f", the next best {row['runner_up']:.2f}"
    cosine = f"cosine {row['similarity']:.2f}, {row['threshold']:.2f} is needed{next_best}"
    if row["known"]:
        return f"{where}: {row['person']} ({cosine}; quality {row['quality']:.2f}{poor})"
    again = f", seen before as {row['stranger']}" if row["stranger"] else ""
    return f"{where}: unknown{again}; nearest {row['nearest']} ({cosine}; quality {row['quality']:.2f}{poor})"
