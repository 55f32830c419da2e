"""`edged faces` as it is used, on real pictures."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from edged.inference.models import needed
from tests.cli.edged_command import edged
from tests.data_files import data_file, store_with

MODEL = "mobilefacenet_f32"
TONY = "faces/Tony_Blair/Tony_Blair_000{}.jpg"
COLIN = "faces/Colin_Powell/Colin_Powell_000{}.jpg"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with models and settings."""
    (tmp_path / "models").mkdir()
    data_file(f"models/{MODEL}.tflite")
    for name in [*needed(), MODEL]:
        found = store_with(name)
        if found.missing([name]):
            pytest.skip(f"model {name} is not here (edged models pull)")
        (tmp_path / "models" / found.path(name).name).symlink_to(found.path(name).resolve())
    (tmp_path / "front.toml").write_text(
        f'[inference.recognition]\nenabled = true\nmodel = "{MODEL}"\n[store]\ndirectory = "{tmp_path / "state"}"\n'
    )
    return tmp_path


def faces(home: Path, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    models = {"EDGED_MODELS_DIR": str(home / "models")}
    return edged("faces", command, *map(str, arguments), "-c", str(home / "front.toml"), environment=models)


def test_enrol_list_test_and_forget(home: Path) -> None:
    done = faces(home, "enroll", "Tony", "-i", data_file(TONY.format(2)), data_file(TONY.format(3)), home / "no.jpg")
    assert done.returncode == 0, done.stderr
    assert f"refused {home / 'no.jpg'}: there is no such file" in done.stdout
    assert "enrolled Tony with 2 pictures" in done.stdout
    assert "with a chance of about 1 in " in done.stdout
    listed = json.loads(faces(home, "list", "--json").stdout)
    (tony,) = listed["people"]
    assert (tony["name"], tony["vectors"], tony["models"], tony["pictures_kept"]) == ("Tony", 2, [MODEL], 0)
    assert tony["origins"] == ["Tony_Blair_0002.jpg", "Tony_Blair_0003.jpg"]
    known = faces(home, "test", data_file(TONY.format(4)))
    assert known.returncode == 0
    assert ": Tony (cosine" in known.stdout
    unknown = faces(home, "test", data_file("faces/Hugo_Chavez/Hugo_Chavez_0002.jpg"))
    assert unknown.returncode == 1
    assert "unknown; nearest Tony" in unknown.stdout
    copy = home / "copy.json"
    assert faces(home, "export", copy).returncode == 0
    gone = faces(home, "forget", "tony")
    assert "forgot Tony: 2 vectors are overwritten" in gone.stdout
    assert f"may still hold Tony: {copy}" in gone.stdout
    assert faces(home, "forget", "Tony").returncode == 1
    assert faces(home, "import", copy).stdout == "imported Tony: 2 vectors\n"
    assert faces(home, "verify").stdout == "1 people and 2 embeddings are good\n"


def test_bad_pictures_enrol_nobody_and_each_has_its_reason(home: Path) -> None:
    done = faces(home, "enroll", "Eve", "-i", data_file("faces_eyes/close_eyes.jpeg"))
    assert done.returncode == 1
    assert done.stderr.strip() == "edged: Eve is not enrolled: close_eyes.jpeg: the eyes are shut"
    mixed = faces(home, "enroll", "Eve", "-i", data_file(TONY.format(2)), data_file(COLIN.format(2)))
    assert mixed.returncode == 1
    assert "the pictures show different people" in mixed.stderr
    assert json.loads(faces(home, "list", "--json").stdout)["people"] == []


def test_a_second_name_for_one_person_is_warned_of(home: Path) -> None:
    faces(home, "enroll", "Colin", "-i", data_file(COLIN.format(2)))
    done = faces(home, "enroll", "Karl", "-i", data_file(COLIN.format(3)))
    assert done.returncode == 0
    assert "warning: Karl and Colin look the same" in done.stdout


def test_pictures_of_another_are_not_added_to_somebody(home: Path) -> None:
    faces(home, "enroll", "Colin", "-i", data_file(COLIN.format(2)))
    done = faces(home, "enroll", "Colin", "-i", data_file(TONY.format(3)))
    assert done.returncode == 1
    assert "do not look like the Colin who is known" in done.stderr


def test_after_a_change_of_the_model_who_has_kept_pictures_is_known_and_no_other_is_added(home: Path) -> None:
    other = ("--set", "inference.recognition.model=mobilefacenet_dr")
    (home / "models" / "mobilefacenet_dr.tflite").symlink_to(data_file("models/mobilefacenet_dr.tflite"))
    faces(home, "enroll", "Tony", "--keep-pictures", "-i", data_file(TONY.format(2)), data_file(TONY.format(3)))
    faces(home, "enroll", "Colin", "-i", data_file(COLIN.format(2)))
    refused = faces(home, "enroll", "Tony", *other, "-i", data_file(COLIN.format(3)))
    assert refused.returncode == 1
    assert "do not look like the Tony who is known" in refused.stderr
    assert ": Tony (cosine" in faces(home, "test", data_file(TONY.format(4)), *other).stdout
    unlike = faces(home, "enroll", "Colin", *other, "-i", data_file(COLIN.format(3)))
    assert unlike.returncode == 0
    assert "warning: what was kept of Colin is of another model" in unlike.stdout


def test_what_is_no_picture_is_named_as_what_it_is(home: Path) -> None:
    (home / "empty").mkdir()
    (home / "text.jpg").write_text("no picture")
    os.mkfifo(home / "pipe.jpg")
    done = faces(home, "test", home / "none.jpg", home / "empty", home / "text.jpg", home / "pipe.jpg")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{home / 'none.jpg'}: there is no such file",
        f"{home / 'empty'}: no picture is in this folder (folders within are not looked into)",
        f"{home / 'text.jpg'}: this is no picture",
        f"{home / 'pipe.jpg'}: this is no picture",
    ]
    nobody = faces(home, "enroll", "Eve", "-i", home / "empty")
    assert nobody.stderr.strip().endswith("empty: no picture is in this folder (folders within are not looked into)")


def test_a_list_is_whole_where_no_terminal_is(home: Path) -> None:
    name = "Maximiliana Theodora von und zu Hohenstein-Wallenberg"
    faces(home, "enroll", name, "-i", data_file(TONY.format(2)))
    (line,) = [one for one in faces(home, "list").stdout.splitlines() if name in one]
    assert MODEL in line


def test_somebody_is_enrolled_from_a_clip_as_from_a_camera(home: Path) -> None:
    clip = data_file("video/d9.mp4")
    done = faces(home, "enroll", "Dora", "--camera", "2s", "--set", f"capture.source={clip}", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["name"] == "Dora"
    assert 1 <= report["vectors"] <= 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Eve",), "give either --images FILE … or --camera 5s"),
        (("Eve", "--camera", "soon"), "is no time from 0.5s to 60s"),
    ],
)
def test_wrong_usage_is_said(home: Path, arguments: tuple[str, ...], said: str) -> None:
    done = faces(home, "enroll", *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
