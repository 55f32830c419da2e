"""The gallery: everything or nothing, really gone, and nobody changes it unnoticed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edged.errors import EdgedError, GalleryError, StoreError
from edged.store.gallery import GALLERY_FILE, Gallery
from edged.store.gallery_people import Contents, NewVector, check_name

WRITER = Path(__file__).with_name("gallery_writer.py")
REPOSITORY = Path(__file__).resolve().parents[2]


def new(model: str = "m", source: str = "image", picture: bytes | None = None) -> NewVector:
    return NewVector(model, "1", os.urandom(512), 0.9, source, "a.jpg", picture)


def names(gallery: Gallery) -> list[str]:
    return [one.name for one in gallery.contents().people.values()]


def said(contents: Contents) -> object:
    """What a gallery says, to compare."""
    return contents.people, contents.vectors


def test_who_is_enrolled_is_found_again_by_another_opening(tmp_path: Path) -> None:
    vectors = [new(), new(picture=b"png")]
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", vectors, 5.0)
    with Gallery(tmp_path) as gallery:
        contents = gallery.contents()
        assert [one.name for one in contents.people.values()] == ["Anna"]
        assert [(one.vector, one.added_at, one.has_picture) for one in contents.vectors] == [
            (vectors[0].vector, 5.0, False),
            (vectors[1].vector, 5.0, True),
        ]
        assert gallery.picture(contents.vectors[1].id) == b"png"
        assert gallery.problems() == []


def test_a_name_is_the_same_in_capitals(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
        gallery.enrol("ANNA ", [new()])
        assert names(gallery) == ["Anna"]
        assert len(gallery.contents().vectors) == 2


@pytest.mark.parametrize("name", ["", "  ", "unknown-3", "Unknown", "undecided", "a\nb", "x" * 65])
def test_what_cannot_be_a_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(GalleryError, match=r"name|called"):
        check_name(name)
    with Gallery(tmp_path) as gallery:
        with pytest.raises(GalleryError):
            gallery.enrol_all([("Anna", [new()]), (name, [new()])])
        assert names(gallery) == []


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    with Gallery(tmp_path / "state") as gallery:
        gallery.enrol("Anna", [new()])
        for path in (tmp_path / "state").iterdir():
            assert path.stat().st_mode & 0o077 == 0, path


def test_who_is_forgotten_leaves_no_byte_in_any_file(tmp_path: Path) -> None:
    vector, picture = os.urandom(512), os.urandom(20_000)
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna Unmistakable", [NewVector("m", "1", vector, 0.9, "image", "holiday.jpg", picture)])
        gallery.enrol("Bert", [new() for _ in range(50)])
        assert any(vector[:16] in path.read_bytes() for path in tmp_path.iterdir())
        gone = gallery.forget("anna unmistakable")
        assert (gone.name, gone.vectors, gone.pictures, gone.emptied) == ("Anna Unmistakable", 1, 1, True)
        for path in tmp_path.iterdir():
            content = path.read_bytes()
            for secret in (b"Unmistakable", b"holiday", vector[:16], vector[-16:], picture[:16], picture[-16:]):
                assert secret not in content, path
        assert names(gallery) == ["Bert"]
        with pytest.raises(GalleryError, match="nobody is called 'Anna Unmistakable'"):
            gallery.forget("Anna Unmistakable")


def test_forgetting_names_the_copies_there_are(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
        copy, lost = tmp_path / "copy.json", tmp_path / "lost.json"
        copy.write_text("{}")
        gallery.note_export(copy, 1.0)
        gallery.note_export(lost, 2.0)
        beside = tmp_path / f"{GALLERY_FILE}.bak"
        shutil.copy(gallery.path, beside)
        assert gallery.forget("Anna").backups == sorted([copy, beside])


def test_strangers_have_numbers_that_never_come_again(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        assert gallery.add_stranger([new()], 1.0).name == "unknown-1"
        gallery.forget("unknown-1")
    with Gallery(tmp_path) as gallery:
        assert gallery.add_stranger([new()], 1.0).name == "unknown-2"


def test_a_stranger_who_is_named_is_enrolled(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.add_stranger([new(source="stranger"), new(source="stranger")], 1.0)
        gallery.name_stranger("unknown-1", "Anna")
        gallery.add_stranger([new(source="stranger")], 2.0)
        gallery.name_stranger("unknown-2", "anna")
        contents = gallery.contents()
        assert [(one.name, one.stranger) for one in contents.people.values()] == [("Anna", False)]
        assert len(contents.vectors) == 3
        with pytest.raises(GalleryError, match="Anna has a name already"):
            gallery.name_stranger("Anna", "Bert")
        assert gallery.problems() == []


def test_strangers_expire_by_age_and_by_number(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        for at in (1.0, 5.0, 9.0):
            gallery.add_stranger([new()], at)
        gallery.saw_stranger(1, 10.0)
        assert gallery.expire(before=6.0, limit=10) == ["unknown-2"]
        assert gallery.expire(before=0.0, limit=1) == ["unknown-3"]
        assert names(gallery) == ["unknown-1"]
        assert gallery.problems() == []


def test_what_was_learned_is_capped_and_can_be_undone(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        person = gallery.enrol("Anna", [new()])
        learned = [new(source="learned") for _ in range(5)]
        for at, vector in enumerate(learned):
            assert gallery.add_vector(person, vector, float(at), limit=3)
        kept = [one.vector for one in gallery.contents().vectors if one.source == "learned"]
        assert kept == [one.vector for one in learned[2:]]
        assert gallery.unlearn("Anna") == 3
        assert [one.source for one in gallery.contents().vectors] == ["image"]
        gallery.forget("Anna")
        assert not gallery.add_vector(person, new(), 9.0, limit=3)
        assert gallery.problems() == []


TAMPERINGS = {
    "embedding 2 of Anna": "UPDATE embedding SET vector = zeroblob(512) WHERE id = 2",
    "embedding 1 of Anna": "UPDATE embedding SET person = 1, model = 'other' WHERE id = 1",
    "person 2 (Bert the Admin)": "UPDATE person SET name = 'Bert the Admin' WHERE id = 2",
    "embedding 3 of Anna": "UPDATE embedding SET person = 1 WHERE id = 3",
    "added or removed": "DELETE FROM embedding WHERE id = 1",
    "embedding 9 of Bert": "INSERT INTO embedding SELECT 9, 2, model, version, vector, quality, added_at, source, origin, "
    "picture, mac FROM embedding WHERE id = 1",
    "the gallery's own seal": "UPDATE seal SET embeddings = 2",
    "the gallery's own seal was": "DELETE FROM seal",
}


@pytest.mark.parametrize("named", TAMPERINGS)
def test_what_was_changed_without_the_key_is_named_and_not_used(tmp_path: Path, named: str) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new(), new()])
        gallery.enrol("Bert", [new()])
    with sqlite3.connect(tmp_path / GALLERY_FILE) as connection:
        connection.execute(TAMPERINGS[named])
    connection.close()
    with Gallery(tmp_path) as gallery:
        problems = gallery.problems()
        assert any(named in problem for problem in problems), problems
        bad = gallery.contents()
        if "embedding" in named and "added" not in named:
            number = int(named.split()[1])
            assert number not in [one.id for one in bad.vectors]
        dropped = gallery.repair()
        assert dropped
        assert gallery.problems() == []
        gallery.enrol("Carl", [new()])
        assert gallery.problems() == []


def test_nothing_is_added_to_a_gallery_whose_seal_is_broken(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
        with sqlite3.connect(gallery.path) as connection:
            connection.execute("UPDATE seal SET people = 7")
        connection.close()
        with pytest.raises(GalleryError, match="edged faces verify"):
            gallery.enrol("Bert", [new()])


def test_with_another_key_nobody_is_known(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
    other = tmp_path / "other.key"
    other.write_bytes(os.urandom(32))
    with Gallery(tmp_path, other) as gallery:
        contents = gallery.contents()
        assert contents.people == {}
        assert contents.vectors == []
        assert contents.problems
    other.write_bytes(b"short")
    with pytest.raises(StoreError, match="has 5 bytes and must have 32"):
        Gallery(tmp_path, other)


def test_a_lost_key_is_named_and_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
    key = tmp_path / "gallery.key"
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(StoreError, match=r"gallery\.key is gone.*restore the key"):
        Gallery(tmp_path)
    assert not key.exists()
    key.write_bytes(kept)
    with Gallery(tmp_path) as gallery:
        assert [one.name for one in gallery.contents().people.values()] == ["Anna"]
    key.unlink()
    (tmp_path / "gallery.db").unlink()
    with Gallery(tmp_path) as gallery:
        assert gallery.contents().problems == []


def test_no_changed_byte_of_the_file_changes_what_it_says_unnoticed(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new(picture=os.urandom(300)) for _ in range(3)], 1.0)
        gallery.add_stranger([new()], 2.0)
        truth = said(gallery.contents())
        pictures = [gallery.picture(one.id) for one in gallery.contents().vectors]
    good = (tmp_path / GALLERY_FILE).read_bytes()
    key = (tmp_path / "gallery.key").read_bytes()
    found = 0
    chance = random.Random(5)
    for place in chance.sample(range(len(good)), 150):
        folder = tmp_path / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "gallery.key").write_bytes(key)
        changed = bytearray(good)
        changed[place] ^= 1 << chance.randrange(8)
        (folder / GALLERY_FILE).write_bytes(changed)
        try:
            with Gallery(folder) as gallery:
                if gallery.problems():
                    found += 1
                    continue
                contents = gallery.contents()
                assert said(contents) == truth, place
                assert [gallery.picture(one.id) for one in contents.vectors] == pictures, place
        except EdgedError as error:
            found += 1
            named = str(error)
            assert GALLERY_FILE in named or "changed" in named
    assert found > 10  # the others lie where nothing is said: free space of pages


def test_a_damaged_file_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new() for _ in range(20)])
    path = tmp_path / GALLERY_FILE
    content = bytearray(path.read_bytes())
    content[:100] = os.urandom(100)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        Gallery(tmp_path)
    assert path.read_bytes() == bytes(content)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 0.3])
def test_a_process_killed_while_it_enrols_leaves_all_of_a_person_or_nothing(tmp_path: Path, seconds: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, str(WRITER), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert writer.stdout is not None
    told = int(writer.stdout.readline())
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    told = max([told, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    writer.wait()
    writer.stdout.close()
    with Gallery(tmp_path) as gallery:
        contents = gallery.contents()
        assert contents.problems == []
        counts = dict.fromkeys(contents.people, 0)
        for one in contents.vectors:
            counts[one.person] += 1
        assert set(counts.values()) == {20}
        assert len(counts) >= told + 1


def test_people_come_and_go_while_others_read_a_whole_gallery(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new() for _ in range(10)])
    ended = threading.Event()
    troubles: list[str] = []
    counts: set[int] = set()

    def read() -> None:
        with Gallery(tmp_path) as own:
            while not ended.is_set():
                contents = own.contents()
                troubles.extend(contents.problems)
                counts.add(len(contents.vectors))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        with Gallery(tmp_path) as own:
            for _ in range(8):
                own.enrol("Bert", [new() for _ in range(7)])
                assert own.forget("Bert").vectors == 7
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert troubles == []
    assert counts <= {10, 17}


def change(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_person_who_was_taken_out_is_missed_though_their_vectors_stayed(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
        change(gallery.path, "DELETE FROM person")
        assert gallery.problems() == ["embedding 1 is of person 1, who was removed by somebody without the key"]
        assert gallery.repair()
        assert gallery.problems() == []


def test_numbers_that_somebody_set_back_are_not_given_twice(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
        change(gallery.path, "UPDATE sqlite_sequence SET seq = 0")
        gallery.enrol("Bert", [new()])
        assert gallery.problems() == []


def test_a_name_is_the_same_in_capitals_beyond_ascii(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        assert gallery.enrol("Änna", [new()]) == gallery.enrol("äNNA", [new()])
        assert gallery.forget("änna").name == "Änna"


def test_a_gallery_of_another_shape_or_held_by_another_is_said_in_a_sentence(
    tmp_path: Path,
) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
        change(gallery.path, "ALTER TABLE person RENAME COLUMN name TO called", "DROP TABLE export")
        for ask in (
            lambda: gallery.find("Anna"),
            lambda: gallery.forget("Anna"),
            lambda: gallery.unlearn("Anna"),
            lambda: gallery.name_stranger("unknown-1", "Bert"),
            lambda: gallery.expire(0.0, 10),
            lambda: gallery.note_export(tmp_path / "copy.json", 1.0),
        ):
            with pytest.raises(StoreError, match=r"gallery\.db: no such"):
                ask()


def test_what_is_left_of_an_export_that_was_killed_is_named(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new()])
        gallery.note_export(tmp_path / "copy.json", 1.0)
        (tmp_path / "copy.json").mkdir()
        (tmp_path / ".copy.json.new").write_text("half")
        assert gallery.forget("Anna").backups == [tmp_path / ".copy.json.new"]
