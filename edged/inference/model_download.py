"""Getting model files: from the wheel on the package index, from their own addresses, or from a mirror.

Nothing counts until its SHA-256 is the pinned one, and nothing is seen under its own name before it is whole:
downloads grow in a hidden `.partial` file, which a later attempt carries on from, and finished files are renamed
into place.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from edged.errors import ModelCorrupt, ModelError, ModelMissing
from edged.inference.http_download import DownloadError, Transfer, fetch, public_url
from edged.inference.models import ModelEntry, ModelStore, Package, hash_file, package, registry
from edged.inference.package_index import Candidate, candidates
from edged.whole_file import sync_folder

DEFAULT_INDEX = "https://pypi.org/simple"

# What is being fetched, bytes so far, bytes in all (None: not known).
Progress = Callable[[str, int, Optional[int]], None]


@dataclass(frozen=True)
class Pulled:
    """What a pull did: names fetched now, names that were good already, and where from."""

    fetched: tuple[str, ...]
    present: tuple[str, ...]
    origin: str


def index_url(environment: Mapping[str, str]) -> str:
    """The package index to ask: EDGED_MODELS_INDEX, else pip's PIP_INDEX_URL, else PyPI."""
    return environment.get("EDGED_MODELS_INDEX") or environment.get("PIP_INDEX_URL") or DEFAULT_INDEX


def pull(
    store: ModelStore,
    names: Sequence[str],
    *,
    mirror: str | None = None,
    index: str = DEFAULT_INDEX,
    progress: Progress | None = None,
) -> Pulled:
    """Make these models good in the store; asks nobody for those that are good already.

    mirror: a folder or an http(s) address that holds the files by their names (a folder may hold the wheel
    instead); index: a simple API (PEP 503 or 691). Raises ModelMissing, ModelCorrupt and ModelError, each
    with what to do; what was fetched before stays.
    """
    missing = store.missing(names)
    present = tuple(name for name in names if name not in missing)
    if not missing:
        return Pulled((), present, "")
    entries = [registry()[name] for name in missing]
    report = progress or _silent
    try:
        store.directory.mkdir(parents=True, exist_ok=True)
        with _only_one(store.directory):
            if mirror is None:
                origin = _from_origins(store.directory, entries, index, report)
            elif mirror.startswith(("http://", "https://")):
                origin = _from_web_mirror(store.directory, entries, mirror, report)
            else:
                origin = _from_folder(store.directory, entries, Path(mirror).expanduser(), package())
    except DownloadError as error:
        raise ModelError(", ".join(missing), str(error), error.cure) from None
    except OSError as error:
        raise ModelError(
            ", ".join(missing),
            f"cannot be written to {store.directory}: {error.strerror or error}",
            "run as a user who may write there, or name another folder with EDGED_MODELS_DIR",
        ) from None
    for entry in entries:
        store.path(entry.name)  # what is on the disk now is what counts
    return Pulled(tuple(missing), present, origin)


def _silent(_what: str, _done: int, _total: int | None) -> None:
    """No progress bar."""


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Keep a second pull out of the same folder; the lock goes with the process, whatever happens to it."""
    with (directory / ".pull.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(f"another pull is at work in {directory}", "wait until it has ended") from None
        yield


# --- the three places they come from ------------------------------------------------------------------------------


def _from_origins(directory: Path, entries: Sequence[ModelEntry], index: str, report: Progress) -> str:
    """Each from where it is at home: those of the wheel together, the others one by one."""
    wheel = [entry for entry in entries if entry.member]
    origins = [_from_index(directory, wheel, package(), index, report)] if wheel else []
    for entry in entries:
        if not entry.member:
            partial = directory / f".{entry.file}.partial"
            _fetch_checked(Transfer(entry.url), partial, entry.sha256, entry.file, report)
            _settle(partial, directory / entry.file)
            origins.append(public_url(entry.url))
    return ", ".join(origins)


def _from_index(directory: Path, entries: Sequence[ModelEntry], wanted: Package, index: str, report: Progress) -> str:
    candidate = _choose(candidates(index, wanted.name), wanted, index)
    partial = directory / f".{candidate.filename}.partial"
    _fetch_checked(Transfer(candidate.url, index), partial, candidate.sha256, candidate.filename, report)
    _unpack(partial, entries, directory, candidate.filename)
    partial.unlink()
    return f"{candidate.filename} from {public_url(index)}"


def _from_web_mirror(directory: Path, entries: Sequence[ModelEntry], mirror: str, report: Progress) -> str:
    for entry in entries:
        partial = directory / f".{entry.file}.partial"
        transfer = Transfer(f"{mirror.rstrip('/')}/{entry.file}", mirror)
        _fetch_checked(transfer, partial, entry.sha256, entry.file, report)
        _settle(partial, directory / entry.file)
    return public_url(mirror)


def _from_folder(directory: Path, entries: Sequence[ModelEntry], folder: Path, wanted: Package) -> str:
    if not folder.is_dir():
        raise DownloadError(f"the mirror {folder} is not a folder", "name a folder with the model files")
    loose = [entry for entry in entries if (folder / entry.file).is_file()]
    rest = [entry for entry in entries if entry not in loose]
    for entry in rest:
        if not entry.member:
            raise ModelMissing(
                entry.name, f"{entry.file} is not in the mirror {folder}", "put it there, or pull without a mirror"
            )
    wheels = sorted(folder.glob(f"{wanted.name}-{wanted.version}-*.whl"))
    if rest and not wheels:
        raise ModelMissing(
            ", ".join(entry.name for entry in rest),
            f"neither {rest[0].file} nor a {wanted.name} {wanted.version} wheel is in the mirror {folder}",
            "put them there, or pull without a mirror",
        )
    for entry in loose:
        _install(entry, (folder / entry.file).read_bytes(), directory, str(folder / entry.file))
    if rest:
        _unpack(wheels[0], rest, directory, str(wheels[0]))
    return str(folder)


def _choose(offered: Sequence[Candidate], wanted: Package, index: str) -> Candidate:
    """The wheel of the wanted version that the registry likes best; its pinned hash rules over the index's."""
    right = [one for one in offered if one.filename.startswith(f"{wanted.name}-{wanted.version}-")]
    order = list(wanted.wheels)
    for filename in order:
        for one in right:
            if one.filename == filename and not one.yanked:
                if one.sha256 and one.sha256 != wanted.wheels[filename]:
                    raise ModelCorrupt(
                        f"{filename}",
                        f"{public_url(index)} offers it with SHA-256 {one.sha256} and it must have {wanted.wheels[filename]}",
                        "ask another index with EDGED_MODELS_INDEX",
                    )
                return Candidate(one.filename, one.url, wanted.wheels[filename])
    unlisted = [one for one in right if not one.yanked and one.filename.endswith(".whl")]
    if not unlisted:
        raise DownloadError(
            f"{public_url(index)} has no wheel of {wanted.name} {wanted.version}",
            "ask another index with EDGED_MODELS_INDEX, or use edged models pull --mirror FOLDER",
        )
    return unlisted[0]


# --- checks and files ---------------------------------------------------------------------------------------------


def _fetch_checked(transfer: Transfer, partial: Path, sha256: str, what: str, report: Progress) -> None:
    """Fetch into `partial` and compare; what began as somebody else's leftover gets a second chance from zero."""
    resumed = partial.exists()
    fetch(transfer, partial, lambda done, total: report(what, done, total))
    found = hash_file(partial)
    if sha256 and found != sha256 and resumed:
        partial.unlink()
        fetch(transfer, partial, lambda done, total: report(what, done, total))
        found = hash_file(partial)
    if sha256 and found != sha256:
        partial.unlink()
        raise ModelCorrupt(
            what,
            f"{public_url(transfer.url)} has SHA-256 {found} and must have {sha256}; nothing was kept",
            "ask again, or another index or mirror",
        )


def _unpack(wheel: Path, entries: Sequence[ModelEntry], directory: Path, shown: str) -> None:
    """Take the members and nothing else."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in entries:
                try:
                    member = archive.getinfo(entry.member)
                except KeyError:
                    raise ModelMissing(entry.name, f"{shown} has no {entry.member}", "ask another index") from None
                if member.file_size != entry.bytes:  # before it is unpacked: it might be anything
                    raise ModelCorrupt(
                        entry.name,
                        f"in {shown} it has {member.file_size} bytes and must have {entry.bytes}",
                        "ask another index",
                    )
                _install(entry, archive.read(member), directory, f"{entry.member} in {shown}")
    except zipfile.BadZipFile as error:
        raise ModelCorrupt(shown, f"is damaged: {error}", "ask again, or another index or mirror") from None


def _install(entry: ModelEntry, content: bytes, directory: Path, shown: str) -> None:
    """Write a model file if it is the right one, whole or not at all."""
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise ModelCorrupt(
            entry.name,
            f"{shown} has SHA-256 {found} and must have {entry.sha256}; nothing was kept",
            "ask another index or mirror",
        )
    temporary = directory / f".{entry.file}.new"
    with temporary.open("wb") as file:
        file.write(content)
        _sync(file)
    _settle(temporary, directory / entry.file)


def _settle(temporary: Path, path: Path) -> None:
    """Give a finished file its name, so that it survives a pulled plug."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
