"""Searching, knowing strangers again, learning, and how safe a person is: with vectors made for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from edged.errors import GalleryError
from edged.inference.models import ModelStore, Recognition
from edged.inference.recognition.enrolment import Candidate, Enrolment, false_accept
from edged.inference.recognition.known import Match, Matrix, to_array
from edged.inference.recognition.library import Library
from edged.inference.stages import Surroundings
from edged.settings import InferenceSettings
from edged.settings.recognition import RecognitionSettings
from edged.store.gallery import Gallery
from edged.store.gallery_people import Person, Vector
from tests.inference.recognition.people import embedder, kept, vector


def matrix(people: int, each: int) -> Matrix:
    known = [Person(number, f"p{number}", False, 0.0, None, None) for number in range(people)]
    rows = [
        Vector(number * each + look, number, *kept(number, look)[:4], 0.0, "image", "", False)
        for number in range(people)
        for look in range(each)
    ]
    return Matrix(known, rows)


def library(tmp_path: Path, *, remembers: bool = True, **settings: object) -> Library:
    wanted = RecognitionSettings.model_validate({"enabled": True, **settings})
    return Library(wanted, embedder(), Surroundings(ModelStore(tmp_path), tmp_path, remembers))


def test_the_search_finds_what_comparing_one_by_one_finds() -> None:
    searched = matrix(40, 3)
    for number in range(40):
        asked = vector(number, 99)
        best = {one.name: float((searched.of(one.id) @ asked).max()) for one in searched.people}
        ranked = sorted(best.values())
        match = searched.search(asked)
        assert match is not None
        assert match.person.name == max(best, key=lambda name: best[name]) == f"p{number}"
        assert match.similarity == pytest.approx(ranked[-1], abs=1e-6)
        assert match.runner_up == pytest.approx(ranked[-2], abs=1e-6)


def test_nobody_is_found_among_nobody_and_one_has_no_runner_up() -> None:
    assert Matrix([], []).search(vector(1)) is None
    match = matrix(1, 2).search(vector(0, 9))
    assert isinstance(match, Match)
    assert match.runner_up is None


def test_what_is_no_unit_vector_is_left_out() -> None:
    good = vector(1)
    assert to_array(good.astype("<f4").tobytes()) is not None
    for bad in (good * 2, good[:64], np.full(128, np.nan, np.float32), good * 0):
        assert to_array(bad.astype("<f4").tobytes()) is None


def test_somebody_enrolled_is_known_and_somebody_else_is_not(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [kept(1)])
        gallery.enrol("Bert", [kept(2)])
    found = library(tmp_path)
    known = found.look_up(1, vector(1, 5), 0.9, settled=False)
    assert (known.person, known.stranger) == ("Anna", False)
    assert known.similarity >= known.threshold > (known.runner_up or 0)
    unknown = found.look_up(2, vector(3), 0.9, settled=False)
    assert unknown.similarity < unknown.threshold
    assert not unknown.stranger
    found.close()


def test_an_empty_gallery_says_nobody(tmp_path: Path) -> None:
    found = library(tmp_path)
    assert found.look_up(1, vector(1), 0.9, settled=False).person is None
    found.close()


def test_the_same_stranger_on_another_day_is_the_same_one(tmp_path: Path) -> None:
    found = library(tmp_path)
    first = [found.look_up(1, vector(7, look), 0.9, settled=False) for look in range(4)]
    assert [one.person for one in first] == [None, None, "unknown-1", "unknown-1"]
    assert first[-1].stranger
    others = [found.look_up(2, vector(8, look), 0.9, settled=False) for look in range(4)]
    assert others[-1].person == "unknown-2"
    found.close()
    again = library(tmp_path)
    assert again.look_up(9, vector(7, 50), 0.9, settled=False).person == "unknown-1"
    with Gallery(tmp_path) as gallery:
        gallery.name_stranger("unknown-1", "Anna")
    again.refresh(100.0)
    named = again.look_up(9, vector(7, 51), 0.9, settled=False)
    assert (named.person, named.stranger) == ("Anna", False)
    again.close()


def test_poor_looks_and_looks_that_disagree_make_no_stranger(tmp_path: Path) -> None:
    found = library(tmp_path)
    for look in range(6):
        assert found.look_up(1, vector(7, look), 0.4, settled=False).person is None
    for person in range(20, 30):
        assert found.look_up(2, vector(person), 0.9, settled=False).person is None
    assert found.gallery.contents().people == {}
    found.close()


def test_a_face_that_was_known_a_moment_ago_does_not_become_a_stranger_by_turning_away(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [kept(1)])
    found = library(tmp_path)
    found.look_up(1, vector(1, 1), 0.9, settled=False)
    for look in range(5):
        assert not found.look_up(1, vector(5, look), 0.9, settled=False).stranger
    found.look_up(1, vector(1, 2), 0.9, settled=False)
    for look in range(5):
        assert not found.look_up(1, vector(5, look), 0.9, settled=False).stranger
    found.close()


def test_who_only_looks_at_a_clip_leaves_no_strangers(tmp_path: Path) -> None:
    found = library(tmp_path, remembers=False)
    for look in range(8):
        found.look_up(1, vector(7, look), 0.9, settled=True)
    assert found.gallery.contents().people == {}
    found.close()


def test_strangers_can_be_switched_off(tmp_path: Path) -> None:
    found = library(tmp_path, strangers=False)
    for look in range(8):
        assert found.look_up(1, vector(7, look), 0.9, settled=True).person is None
    assert found.gallery.contents().people == {}
    found.close()


def test_learning_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [kept(1)])
    for wanted, count in ((False, 1), (True, 2)):
        found = library(tmp_path, learn=wanted)
        for look in range(1, 6):
            found.look_up(1, vector(1, look), 0.95, settled=True)
        assert len(found.gallery.contents().vectors) == count  # one at most in `learn_seconds`
        found.close()


def test_learning_never_wanders_away_from_what_was_enrolled(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [kept(1, spread=0.0)])
    found = library(tmp_path, learn=True, learn_seconds=0, learn_limit=200)
    start, end = vector(1, spread=0.0), vector(2, spread=0.0)
    for step in range(60):
        between = start * (1 - step / 60) + end * (step / 60)
        found.look_up(1, between / np.linalg.norm(between), 0.95, settled=True)
    learned = [to_array(one.vector) for one in found.gallery.contents().vectors if one.source == "learned"]
    assert len(learned) >= 2
    for one in learned:
        assert one is not None
        assert float(one @ start) >= embedder().threshold + 0.09
    assert found.look_up(2, end, 0.95, settled=True).similarity < embedder().threshold
    found.close()


def test_a_tampered_vector_recognises_nobody_and_is_told(tmp_path: Path) -> None:

    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [kept(1)])
    found = library(tmp_path)
    with sqlite3.connect(tmp_path / "gallery.db") as connection:
        connection.execute("UPDATE embedding SET vector = ?", (kept(66).vector,))
    connection.close()
    found.refresh(10.0)
    assert found.look_up(1, vector(66, 3), 0.9, settled=False).person is None
    assert any("embedding 1 of Anna" in warning for warning in found.warnings)
    found.close()


def test_a_gallery_that_cannot_be_read_for_a_moment_is_read_again(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [kept(1)])
    found = library(tmp_path)
    with sqlite3.connect(tmp_path / "gallery.db") as connection:
        connection.execute("ALTER TABLE embedding RENAME TO away")
    found.refresh(1.0)
    assert found.look_up(1, vector(1), 0.9, settled=False).person is None
    assert any("cannot be read, so nobody is known" in warning for warning in found.warnings)
    with sqlite3.connect(tmp_path / "gallery.db") as connection:
        connection.execute("ALTER TABLE away RENAME TO embedding")
    connection.close()
    assert found.refresh(2.0)
    assert found.look_up(1, vector(1), 0.9, settled=False).person == "Anna"
    assert found.warnings == []


def test_a_gallery_that_can_be_written_again_is_not_complained_of_for_ever(tmp_path: Path) -> None:
    found = library(tmp_path)
    with sqlite3.connect(tmp_path / "gallery.db") as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON person BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    found.refresh(1.0)
    for _ in range(3):
        found.look_up(1, vector(5), 0.9, settled=False)
    found.refresh(40.0)
    (warning,) = found.warnings
    assert "strangers are not remembered" in warning
    assert "disk is full" in warning
    with sqlite3.connect(tmp_path / "gallery.db") as connection:
        connection.execute("DROP TRIGGER full")
    connection.close()
    found.refresh(70.0)
    assert found.warnings == []


def test_who_was_enrolled_with_another_model_is_named(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [kept(1)._replace(model="sface", version="0")])
    found = library(tmp_path)
    assert any("Anna cannot be recognised" in warning for warning in found.warnings)
    assert found.look_up(1, vector(1, 1), 0.9, settled=False).person is None
    found.close()


def test_who_is_enrolled_elsewhere_meanwhile_is_not_given_pictures_of_another(tmp_path: Path) -> None:
    picture = np.zeros((112, 112, 3), np.uint8)
    with Gallery(tmp_path) as gallery:
        enrolment = Enrolment("Anna", embedder(), gallery.contents(), InferenceSettings(), keep_pictures=False)
        enrolment.candidates = [Candidate(vector(2, look), 0.9, "camera", picture) for look in range(3)]
        gallery.enrol("anna", [kept(1)])
        with pytest.raises(GalleryError, match="do not look like the Anna who is known"):
            enrolment.finish(gallery, "camera")
        assert len(gallery.contents().vectors) == 1


def test_the_chance_of_a_false_accept_rises_with_neighbours_and_falls_with_the_threshold() -> None:
    model = Recognition(1, "litert", 0.33, impostor_mean=0.0, impostor_deviation=0.1)
    templates = np.array([vector(1, look) for look in range(4)])
    strangers = np.array([vector(number) for number in range(100, 400)])
    alone = false_accept(templates[:1], strangers[:0], 0.33, model)
    assert alone is not None
    # The upper tail of a normal distribution beyond 3.3 deviations.
    assert alone == pytest.approx(4.834e-4, rel=1e-3)
    several = false_accept(templates, strangers[:0], 0.33, model)
    assert several is not None
    assert alone < several < 4 * alone
    own = false_accept(templates, strangers, 0.33, model)
    near = false_accept(templates, np.vstack([strangers, vector(1, 77)[None]]), 0.33, model)
    strict = false_accept(templates, strangers, 0.5, model)
    assert own is not None
    assert near is not None
    assert strict is not None
    assert strict < own < near
    assert false_accept(templates, strangers[:3], 0.33, Recognition(1, "sface", 0.363)) is None
