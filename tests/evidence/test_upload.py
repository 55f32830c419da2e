"""Copies of evidence in a store that speaks S3: encrypted as they are, made when the store is there, and only once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.errors import SettingsError
from edged.evidence.album import Album, Entry
from edged.evidence.container import unpack
from edged.evidence.spool import Spool
from edged.evidence.upload import Uploader
from edged.settings.keeping import EvidenceUploadSettings
from tests.evidence.making import KEY, fill

pytest.importorskip("minio", reason="scripts/add s3")
pytest.importorskip("moto", reason="pip install edged[dev]")

from tests.evidence.s3_server import Store

ROOT = Path(__file__).resolve().parents[2]
DAY_ONE = 1_780_000_000.0  # 2026-05-28 UTC


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("s3") / "log")
    store.start()
    yield store
    store.kill()


@pytest.fixture
def store(running: Store) -> Store:
    client = running.client()
    for name in running.objects():
        client.delete_object(Bucket="evidence", Key=name)
    return running


def _keys(folder: Path) -> tuple[Path, Path]:
    access, secret = folder / "access", folder / "secret"
    access.write_text("ours\n", encoding="ascii")
    secret.write_text("secret\n", encoding="ascii")
    return access, secret


def _spool(folder: Path, url: str, bucket: str = "evidence") -> tuple[Spool, list[str]]:
    access, secret = _keys(folder)
    settings = EvidenceUploadSettings(
        enabled=True, endpoint=url, bucket=bucket, access_key_file=access, secret_key_file=secret
    )
    told: list[str] = []

    def uploaded(entry: Entry, name: str) -> None:
        told.append(name)

    return Spool(Album(folder / "front"), "front", Uploader(settings), uploaded, 300.0), told


def test_what_is_copied_is_the_encrypted_file_and_nothing_else(store: Store, tmp_path: Path) -> None:
    first, second = fill(tmp_path / "front", DAY_ONE, DAY_ONE + 86400)
    spool, told = _spool(tmp_path, store.url)
    assert spool.turn() == 2
    copies = store.objects()
    assert (
        list(copies)
        == told
        == [f"edged/front/2026-05-28/{first}.evidence", f"edged/front/2026-05-29/{second}.evidence"]
    )
    for name, content in copies.items():
        assert content == (tmp_path / "front" / name.rpartition("/")[2]).read_bytes()
        assert unpack(content, KEY, name).problems == []
        assert b"\xff\xd8 picture" not in content


def test_what_has_a_copy_is_not_copied_again(store: Store, tmp_path: Path) -> None:
    fill(tmp_path / "front", DAY_ONE)
    spool, told = _spool(tmp_path, store.url)
    assert (spool.turn(), spool.turn()) == (1, 0)
    again, _ = _spool(tmp_path, store.url)
    assert again.turn() == 0
    assert len(told) == 1


def test_a_bucket_that_is_not_there_is_named_and_everything_waits(store: Store, tmp_path: Path) -> None:
    fill(tmp_path / "front", DAY_ONE, DAY_ONE + 1)
    spool, told = _spool(tmp_path, store.url, bucket="nowhere")
    assert spool.turn() == 0
    assert "NoSuchBucket" in spool.problem
    assert len(spool.waiting()) == 2
    assert told == []


def test_pauses_grow_while_the_store_is_away_and_end_with_a_success(store: Store, tmp_path: Path) -> None:
    fill(tmp_path / "front", DAY_ONE)
    spool, _ = _spool(tmp_path, "http://127.0.0.1:9")
    pauses = []
    for _ in range(12):
        spool.turn()
        pauses.append(spool.pause_seconds)
    assert "cannot be reached" in spool.problem
    assert pauses[0] <= 2.0
    assert 150 <= pauses[-1] <= 300
    spool.uploader = _spool(tmp_path, store.url)[0].uploader
    assert spool.turn() == 1
    assert (spool.problem, spool.pause_seconds) == ("", 10.0)


@pytest.mark.slow
def test_a_store_that_is_away_gets_everything_when_it_is_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "log")
    access, secret = _keys(tmp_path)
    settings = tmp_path / "front.toml"
    settings.write_text(
        f'camera = "front"\n[store]\ndirectory = "{tmp_path}"\n[evidence.upload]\nenabled = true\nendpoint = "{store.url}"\n'
        f'bucket = "evidence"\naccess_key_file = "{access}"\nsecret_key_file = "{secret}"\nretry_max_seconds = 1\n',
        encoding="utf-8",
    )
    fill(tmp_path / "evidence" / "front", DAY_ONE, DAY_ONE + 1)
    uploader = subprocess.Popen(
        [sys.executable, "-m", "edged", "evidence", "upload", "-c", str(settings)], cwd=ROOT, stderr=subprocess.PIPE
    )
    try:
        assert uploader.stderr is not None
        while b"cannot be reached" not in uploader.stderr.readline():
            assert uploader.poll() is None
        store.start()
        deadline = time.monotonic() + 60
        while len(store.objects()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        uploader.send_signal(signal.SIGTERM)
        uploader.communicate(timeout=20)
        store.kill()
    assert uploader.returncode == 0
    trail = (tmp_path / "audit.jsonl").read_text(encoding="utf-8")
    assert trail.count('"what":"copied"') == 2
    assert "secret" not in trail.replace("secret_key", "")


def test_a_missing_key_is_named_with_its_cure_and_never_shown(tmp_path: Path) -> None:
    access, secret = _keys(tmp_path)
    settings = EvidenceUploadSettings(
        enabled=True, endpoint="http://nas:9000", bucket="evidence", access_key_file=access
    )
    with pytest.raises(SettingsError, match=r"evidence\.upload\.secret_key_file: is not set"):
        Uploader(settings, {})
    secret.write_bytes(b"\xffsecret")
    with pytest.raises(SettingsError, match="is not ASCII") as refused:
        Uploader(settings.model_copy(update={"secret_key_file": secret}), {})
    assert "secret'" not in str(refused.value).replace(str(secret), "")


def test_keys_may_be_systemd_credentials(store: Store, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "s3_access_key").write_text("ours\n", encoding="ascii")
    (credentials / "s3_secret_key").write_text("secret\n", encoding="ascii")
    settings = EvidenceUploadSettings(enabled=True, endpoint=store.url, bucket="evidence")
    uploader = Uploader(settings, {"CREDENTIALS_DIRECTORY": str(credentials)})
    fill(tmp_path / "front", DAY_ONE)
    assert uploader.put(Album(tmp_path / "front").entries()[0], "front").startswith("edged/front/")


@pytest.mark.parametrize("wrong", ["nas:9000", "ftp://nas", "http://", "https://nas/folder"])
def test_an_endpoint_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        EvidenceUploadSettings(enabled=True, endpoint=wrong, bucket="evidence")
