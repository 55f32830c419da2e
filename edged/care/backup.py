"""Making a backup: what there is, as of one moment, while daemons run.

Not in it: events that wait for the broker, jobs and messages under way (they belong to the moment: put back later they would
be told, or done, twice), encrypted evidence (large, and it has copies of its own: `edged evidence upload`), models.
"""

from __future__ import annotations

import grp
import pwd
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

import edged
from edged.care.backup_file import FORMAT, Item, Manifest, sha256_of, write_backup
from edged.care.places import PARTS, Found, Places, parts_of
from edged.errors import BackupError
from edged.events import iso_utc
from edged.store import audit
from edged.store.database import copy_database
from edged.store.gallery import GALLERY_FILE, Gallery
from edged.store.gallery_seal import KEY_FILE

_SCRATCH = ".edged-backup-"
_AUDIT_TRIES = 5


@dataclass(frozen=True)
class Made:
    """What became of it. warnings: what is not in it and might be missed, one sentence each."""

    manifest: Manifest
    bytes: int
    warnings: list[str]


def make_backup(path: Path, passphrase: str, where: Places, *, keys: bool = False, only: Iterable[str] = ()) -> Made:
    """Write a backup of the parts asked for; none named: all but the keys. keys: these, too.

    Raises BackupError and StoreError: nothing is there, a part is damaged or was tampered with, no room.
    """
    if path.is_dir():
        raise BackupError(f"{path} is a folder (name a file in it)")
    wanted = set(only) or set(PARTS) - {"keys"}
    if keys:
        wanted.add("keys")
    found, warnings = parts_of(where)
    left_out = [one for one in found if one.part == "keys"] if "keys" not in wanted else []
    found = [one for one in found if one.part in wanted]
    if not found:
        raise BackupError(
            f"there is nothing to keep: no {', '.join(sorted(wanted))} in {where.settings} and {where.state} "
            "(--settings and --state name other folders)"
        )
    if left_out:
        warnings.append(
            f"{len(left_out)} keys and passwords in {where.settings} are left out (--keys takes them along)"
        )
    made_at = time.time()
    with _scratch(where, found) as scratch:
        copies = {f"{one.root}/{one.name}": _copied(one, scratch) for one in found if one.part != "audit"}
        if any(one.part == "audit" for one in found):
            trail = _trail_copied(where.state, scratch)
            copies |= trail
            found = [one for one in found if one.part != "audit"]
            found += [Found("audit", "state", copy.name, where.state / copy.name) for copy in trail.values()]
        if any(one.name == GALLERY_FILE for one in found):
            _check_gallery(where, scratch, found, copies)
        items = [_item(one, copies[f"{one.root}/{one.name}"]) for one in found]
        manifest = Manifest(
            FORMAT,
            edged.__version__,
            iso_utc(int(made_at * 1e9)),
            str(where.state),
            where.state_named,
            str(where.settings),
            items,
        )
        if any(one.name == GALLERY_FILE for one in found):
            # Noted first: a copy that nobody knows of could not be named when somebody is forgotten.
            with Gallery(where.state, _gallery_key(where)) as gallery:
                gallery.note_export(path, made_at)
        size = write_backup(path, passphrase, manifest, copies)
    if (where.state / audit.NAME).exists():
        parts = sorted({one.part for one in found})
        audit.note(where.state, "backup", {"what": "made", "file": path.name, "parts": parts}, by="edged backup")
    return Made(manifest, size, warnings)


@contextmanager
def _scratch(where: Places, found: list[Found]) -> Iterator[Path]:
    """A folder beside what is copied: what may be read there may be read here. Raises BackupError."""
    home = where.state if where.state.is_dir() else where.settings
    needed = sum(one.path.stat().st_size for one in found if one.path.exists())
    if (free := shutil.disk_usage(home).free) < needed:
        raise BackupError(
            f"{home} has {free // 1_000_000} MB free, and {needed // 1_000_000} MB are copied for a while"
        )
    try:
        for leftover in home.glob(f"{_SCRATCH}*"):
            if time.time() - leftover.stat().st_mtime > 86400:
                shutil.rmtree(leftover)  # of a backup that was killed
        made = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=home)
    except OSError as error:
        raise BackupError(f"{home} cannot be written: {error.strerror} (copies stand there for a while)") from None
    with made as folder:
        yield Path(folder)


def _copied(one: Found, scratch: Path) -> Path:
    target = scratch / f"{one.root}.{one.name.replace('/', '.')}"
    try:
        if one.path.suffix == ".db" and one.root == "state":
            copy_database(one.path, target)
        else:
            # These are replaced as a whole when they change, so that a copy is of one moment as well.
            shutil.copyfile(one.path, target)
    except OSError as error:
        raise BackupError(f"{one.path} cannot be copied: {error.strerror}") from None
    return target


def _trail_copied(state: Path, scratch: Path) -> dict[str, Path]:
    """The audit trail up to its last whole record, with those that were set aside before."""
    folder = scratch / "audit"
    folder.mkdir()
    try:
        for _ in range(_AUDIT_TRIES):
            aside = sorted(state.glob("audit-*.jsonl"))
            for path in aside:
                shutil.copyfile(path, folder / path.name)
            # The head first: the trail goes at least as far.
            for name in (audit.NAME.replace(".jsonl", ".head"), audit.NAME):
                if (state / name).exists():
                    content = (state / name).read_bytes()
                    (folder / name).write_bytes(content[: content.rfind(b"\n") + 1])
            if aside == sorted(state.glob("audit-*.jsonl")):
                break  # nobody set it aside meanwhile
    except OSError as error:
        raise BackupError(f"the audit trail in {state} cannot be copied: {error.strerror}") from None
    return {f"state/{path.name}": path for path in sorted(folder.iterdir())}


def _gallery_key(where: Places) -> Path | None:
    """The file of the gallery's key that the settings name, if any."""
    named = [path for one in where.files for at, path in one.files() if at == "inference.recognition.key_file"]
    return named[0] if named else None


def _check_gallery(where: Places, scratch: Path, found: list[Found], copies: dict[str, Path]) -> None:
    """A copy would make a gallery look sound that was tampered with. Raises BackupError."""
    key = _gallery_key(where) or where.state / KEY_FILE
    if not key.exists():
        raise BackupError(
            f"the gallery's key {key} is not there: without it a copy counts for nothing (edged faces verify)"
        )
    folder = scratch / "gallery"
    folder.mkdir()
    shutil.copyfile(copies[f"state/{GALLERY_FILE}"], folder / GALLERY_FILE)
    with Gallery(folder, key) as gallery:
        problems = gallery.problems()
    if problems:
        raise BackupError(
            f"the gallery was tampered with, so there is no backup of it: {problems[0]} (edged faces verify; or leave it "
            "out with --only)"
        )
    if not any(one.part == "gallery" and one.path.resolve() == key.resolve() for one in found):
        raise BackupError(
            f"the gallery's key {key} is outside of {where.settings} and {where.state}, so a backup of the gallery would "
            "count for nothing (move the key there and set inference.recognition.key_file; or leave the gallery out with "
            "--only)"
        )


def _item(one: Found, copy: Path) -> Item:
    origin = one.path if one.path.exists() else copy
    status = origin.stat()
    return Item(
        one.part, one.root, one.name, copy.stat().st_size, sha256_of(copy), stat.S_IMODE(status.st_mode),
        _user(status.st_uid), _group(status.st_gid),
    )  # fmt: skip


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return ""


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""


def told_json(manifest: Manifest) -> bytes:
    """For `--list --json`."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def owner_ids(item: Item) -> tuple[int, int]:
    """The numbers of a file's owner and group on this machine; -1 where nobody is called so."""
    try:
        user = pwd.getpwnam(item.owner).pw_uid if item.owner else -1
    except KeyError:
        user = -1
    try:
        group = grp.getgrnam(item.group).gr_gid if item.group else -1
    except KeyError:
        group = -1
    return user, group
