"""Carrying people to another device."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest

from edged.errors import GalleryError
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector
from edged.store.gallery_transfer import export_gallery, import_gallery


def new(seed: int, picture: bytes | None = None, source: str = "image") -> NewVector:
    vector = np.random.default_rng(seed).normal(size=128)
    content = (vector / np.linalg.norm(vector)).astype("<f4").tobytes()
    return NewVector("m", "1", content, 0.9, source, "a.jpg", picture)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    with Gallery(tmp_path / "one") as gallery:
        gallery.enrol("Anna", [new(1, b"png"), new(2)])
        gallery.enrol("Bert", [new(3)])
        gallery.add_stranger([new(4, source="stranger")], 1.0)
        assert export_gallery(gallery, tmp_path / "copy.json", pictures=True) == ["Anna", "Bert"]
    return tmp_path / "copy.json"


def test_who_was_exported_is_known_elsewhere_and_only_once(copy: Path, tmp_path: Path) -> None:
    assert copy.stat().st_mode & 0o077 == 0
    with Gallery(tmp_path / "two") as gallery:
        gallery.enrol("anna", [new(1)])
        assert import_gallery(gallery, copy).people == {"Anna": 1, "Bert": 1}
        assert import_gallery(gallery, copy).people == {}
        contents = gallery.contents()
        assert sorted(one.name for one in contents.people.values()) == ["Bert", "anna"]
        assert len(contents.vectors) == 3
        assert contents.problems == []


def test_pictures_go_along_only_when_asked(copy: Path, tmp_path: Path) -> None:
    with Gallery(tmp_path / "two") as gallery:
        import_gallery(gallery, copy)
        with_picture = [one for one in gallery.contents().vectors if one.has_picture]
        assert [gallery.picture(one.id) for one in with_picture] == [b"png"]
        export_gallery(gallery, tmp_path / "plain.json", pictures=False)
    assert all(
        vector["picture"] is None
        for person in json.loads((tmp_path / "plain.json").read_text())["people"]
        for vector in person["vectors"]
    )


def change(copy: Path, old: str, fresh: str) -> None:
    text = copy.read_text()
    assert old in text
    copy.write_text(text.replace(old, fresh, 1))


@pytest.mark.parametrize(
    ("old", "fresh", "reason"),
    [
        ('"Bert"', '"Anna2"', "digest does not fit"),
        ('"edged_gallery": 1', '"edged_gallery": 2', "newer edged"),
        ('"people"', '"persons"', "no export of edged"),
        ("{", "", "no export of edged"),
    ],
)
def test_a_changed_file_is_refused_and_nobody_comes(
    copy: Path, tmp_path: Path, old: str, fresh: str, reason: str
) -> None:
    change(copy, old, fresh)
    with Gallery(tmp_path / "two") as gallery:
        with pytest.raises(GalleryError, match=reason):
            import_gallery(gallery, copy)
        assert gallery.contents().people == {}


def test_a_tampered_gallery_is_not_exported(tmp_path: Path) -> None:
    import sqlite3

    with Gallery(tmp_path) as gallery:
        gallery.enrol("Anna", [new(1)])
        with sqlite3.connect(gallery.path) as connection:
            connection.execute("UPDATE person SET name = 'Eve'")
        connection.close()
        with pytest.raises(GalleryError, match="tampered"):
            export_gallery(gallery, tmp_path / "copy.json", pictures=False)
        assert not (tmp_path / "copy.json").exists()


def test_an_export_that_fails_leaves_no_part_of_anybody(tmp_path: Path) -> None:
    with Gallery(tmp_path / "one") as gallery:
        gallery.enrol("Anna", [new(1, bytes(300_000))])
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Gallery(tmp_path / "one") as gallery:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
        try:
            with pytest.raises(GalleryError, match="cannot be written: File too large"):
                export_gallery(gallery, tmp_path / "copy.json", pictures=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        (tmp_path / "folder").mkdir()
        with pytest.raises(GalleryError, match="it is a folder"):
            export_gallery(gallery, tmp_path / "folder", pictures=True)
        assert gallery.forget("Anna").backups == []
    assert {one.name for one in tmp_path.iterdir()} == {"one", "folder"}


def test_what_another_put_in_the_way_is_not_written_into(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("")
    (tmp_path / ".copy.json.new").hardlink_to(theirs)
    with Gallery(tmp_path / "one") as gallery:
        gallery.enrol("Anna", [new(1)])
        export_gallery(gallery, tmp_path / "copy.json", pictures=False)
    assert theirs.read_text() == ""
    assert (tmp_path / "copy.json").stat().st_mode & 0o077 == 0
