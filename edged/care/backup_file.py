"""The file of a backup: a sealed stream (`sealed_stream`), in it a compressed tar, in it `manifest.json` and then the files.

The manifest names each file with its size and SHA-256; nothing else may be in the archive. Names in the archive are
`state/NAME` and `settings/NAME`: where these folders are is decided when it is put back.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

import msgspec

from edged.care.sealed_stream import OpeningReader, SealingWriter
from edged.errors import BackupError
from edged.whole_file import whole_file

FORMAT = 1
MANIFEST = "manifest.json"
_MANIFEST_LIMIT = 16 * 1024 * 1024
_BLOCK_BYTES = 1 << 20
# No name leads out of its folder, is hidden, or steers a terminal.
_NAME = re.compile(r"[A-Za-z0-9_@+][A-Za-z0-9_@+.,=-]*(/[A-Za-z0-9_@+][A-Za-z0-9_@+.,=-]*){0,3}")

Root = Literal["state", "settings"]


class Item(msgspec.Struct, frozen=True):
    """One file. mode: its rights, e.g. 0o600; owner, group: names, empty where unknown."""

    part: str
    root: Root
    name: str
    bytes: int
    sha256: str
    mode: int
    owner: str = ""
    group: str = ""

    @property
    def path(self) -> str:
        """Its name in the archive."""
        return f"{self.root}/{self.name}"


class Manifest(msgspec.Struct, frozen=True):
    """What is in a backup. edged: the version that made it. state, settings: where the files were. state_named: by the
    settings (store.directory).
    """

    format: int
    edged: str
    made_at: str
    state: str
    state_named: bool
    settings: str
    items: list[Item]


def fit_name(name: str) -> bool:
    """A file of this name can be in a backup."""
    return _NAME.fullmatch(name) is not None and len(name) <= 200


def write_backup(path: Path, passphrase: str, manifest: Manifest, contents: dict[str, Path]) -> int:
    """Write the file: whole or not at all, for its owner only. contents: by `Item.path`. Its size in bytes.

    Raises BackupError.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        with whole_file(path, beside) as sink:
            sealing = SealingWriter(sink, passphrase)
            _write_archive(sealing, manifest, contents)
            sealing.finish()
            size = sink.tell()
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}") from None
    return size


def _write_archive(sink: SealingWriter, manifest: Manifest, contents: dict[str, Path]) -> None:
    with tarfile.open(fileobj=sink, mode="w|gz", format=tarfile.PAX_FORMAT) as archive:
        told = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        archive.addfile(_member(MANIFEST, len(told)), io.BytesIO(told))
        for item in manifest.items:
            with contents[item.path].open("rb") as source:
                archive.addfile(_member(item.path, item.bytes), source)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


@contextmanager
def opened(path: Path, passphrase: str) -> Iterator[BackupReader]:
    """A backup, to be read once from its beginning to its end. Raises BackupError, also later while it is read."""
    try:
        with path.open("rb") as source:
            stream = io.BufferedReader(OpeningReader(source, passphrase, path.name), _BLOCK_BYTES)
            with tarfile.open(fileobj=stream, mode="r|gz") as archive:
                yield BackupReader(path.name, stream, archive)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BackupError(f"{path.name} is damaged inside its seals: {error} (whoever made it made it so)") from None
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from None


class BackupReader:
    """An open backup."""

    def __init__(self, name: str, stream: IO[bytes], archive: tarfile.TarFile) -> None:
        self._name = name
        self._stream = stream
        self._archive = archive
        self.manifest = self._read_manifest()

    def _read_manifest(self) -> Manifest:
        member = self._archive.next()
        if member is None or member.name != MANIFEST or member.size > _MANIFEST_LIMIT:
            raise BackupError(f"{self._name} does not begin with its manifest")
        source = self._archive.extractfile(member)
        assert source is not None
        content = source.read()
        try:
            # The format first: what else there is depends on it.
            version = msgspec.json.decode(content, type=_Format).format
            if version > FORMAT:
                raise BackupError(
                    f"{self._name} was written by a newer edged (format {version}, this one knows {FORMAT}): "
                    "install that one, or a later one"
                )
            manifest = msgspec.json.decode(content, type=Manifest)
        except msgspec.MsgspecError as error:
            raise BackupError(f"{self._name}: its manifest is none: {error}") from None
        paths = [item.path for item in manifest.items]
        unfit = [item.path for item in manifest.items if not fit_name(item.name)]
        if unfit or len(set(paths)) < len(paths):
            raise BackupError(f"{self._name}: its manifest has names that cannot be: {(unfit or paths)[0]!r}")
        return manifest

    def read_all(self, sink_of: Callable[[Item], Path | None]) -> None:
        """Check every file against the manifest, and write those for which `sink_of` gives a place; what is there is
        replaced. Raises BackupError, OSError.
        """
        for item in self.manifest.items:
            member = self._archive.next()
            if member is None or not member.isreg() or (member.name, member.size) != (item.path, item.bytes):
                raise BackupError(f"{self._name}: {item.path} is not where the manifest has it")
            source = self._archive.extractfile(member)
            assert source is not None
            if self._copied(source, sink_of(item)) != item.sha256:
                raise BackupError(f"{self._name}: {item.path} is not what the manifest says it is")
        if self._archive.next() is not None:
            raise BackupError(f"{self._name}: there is more in it than the manifest says")
        while self._stream.read(_BLOCK_BYTES):
            pass  # to its last seal: a file that was cut shows here at the latest

    @staticmethod
    def _copied(source: IO[bytes], target: Path | None) -> str:
        digest = hashlib.sha256()
        fd = -1
        if target is not None:
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                view = memoryview(block)
                while fd >= 0 and view:
                    view = view[os.write(fd, view) :]
        finally:
            if fd >= 0:
                os.close(fd)
        return digest.hexdigest()


class _Format(msgspec.Struct, frozen=True):
    format: int


def sha256_of(path: Path) -> str:
    """In hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
