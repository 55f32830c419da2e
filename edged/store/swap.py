"""Several files replaced at once, in several folders, or none of them: what `edged restore` ends with.

New files are prepared in a folder `.edged-restore/new` beside those they replace, synced, and then a journal is written in the
first of the folders. From then on they count: each old file is moved to `.edged-restore/old`, and the new one to its place.
Whoever is killed in between has decided already: the next process that is about to use the folder (`settle`) moves the rest.
Without a journal nothing was moved, and what was prepared is thrown away.

The files of other folders are moved before those of the first: the daemon, which may write in its own folder only, can do
what is left then.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edged.errors import RestoreUnfinished
from edged.whole_file import give_to_owner, write_whole

FOLDER = ".edged-restore"
_LOCK = ".edged-restore.lock"
_JOURNAL = "journal.json"
# What belongs to a database and must not meet another one: https://www.sqlite.org/howtocorrupt.html, section 1.4.
_BESIDE = ("-wal", "-shm", "-journal")


class _Move(msgspec.Struct, frozen=True):
    root: str
    name: str


class _Journal(msgspec.Struct, frozen=True):
    moves: list[_Move]
    version: int = 1


class Swap:
    """Files that are prepared in the folders, and then put in their places together. The caller holds `claim`."""

    def __init__(self, home: Path) -> None:
        """home: the folder that has the journal."""
        self._home = home
        self._moves: list[_Move] = []
        self._roots: list[Path] = []

    def place(self, root: Path, name: str) -> Path:
        """Where to write what will be `root/name`. Raises OSError."""
        if root not in self._roots:
            discard(root)
            _make_folder(root / FOLDER, root)
            _make_folder(root / FOLDER / "new", root)
            _make_folder(root / FOLDER / "old", root)
            self._roots.append(root)
        path = root / FOLDER / "new" / name
        for parent in reversed(path.relative_to(root / FOLDER / "new").parents[:-1]):
            for side in ("new", "old"):
                _make_folder(root / FOLDER / side / parent, root)
        self._moves.append(_Move(str(root), name))
        return path

    def drop(self, root: Path, name: str) -> None:
        """Leave one out again."""
        self._moves.remove(_Move(str(root), name))
        (root / FOLDER / "new" / name).unlink(missing_ok=True)

    def commit(self) -> None:
        """Put all in their places. Raises OSError: before anything was moved, or after it was decided."""
        for move in self._moves:
            _sync(Path(move.root) / FOLDER / "new" / move.name)
        for root in self._roots:
            for folder, _, _ in os.walk(root / FOLDER):
                _sync(Path(folder))
            _sync(root)
        if str(self._home) not in (str(root) for root in self._roots):
            _make_folder(self._home / FOLDER, self._home)
            _sync(self._home)
        _write_journal(self._home, _Journal(self._moves))
        _perform(self._home, self._moves)

    def abandon(self) -> None:
        """Throw away what was prepared."""
        for root in self._roots:
            discard(root)


def settle(home: Path) -> bool:
    """Finish what a killed restore had decided, or throw away what it had not. True: files outside of `home` were replaced.

    Raises RestoreUnfinished: a restore is under way just now; or this user may not finish it.
    """
    try:
        (home / FOLDER).lstat()
    except OSError:
        return False  # as nearly always; or it cannot be looked at, which whoever writes there will find out
    with claim(home):
        return finish(home)


def finish(home: Path) -> bool:
    """As `settle`, for who holds `claim`."""
    journal = _read_journal(home)
    if journal is None:
        with contextlib.suppress(OSError):
            discard(home)
        return False
    try:
        _perform(home, journal.moves)
    except OSError as error:
        raise RestoreUnfinished(
            f"a restore was cut off, and cannot be finished from here: {error.filename}: {error.strerror} "
            "(finish it: sudo edged restore --resume)"
        ) from None
    return any(Path(move.root) != home for move in journal.moves)


def decided(home: Path) -> bool:
    """A restore was decided, and is not finished."""
    return os.path.lexists(home / FOLDER / _JOURNAL)


@contextlib.contextmanager
def claim(home: Path) -> Iterator[None]:
    """Keep daemons and other restores out of the folder. Raises RestoreUnfinished when somebody else does."""
    try:
        # No link: it is root who comes here, and the folder is not root's.
        fd = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RestoreUnfinished(f"{home / _LOCK} cannot be written: {error.strerror} (use sudo)") from None
    try:
        give_to_owner(fd, home)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RestoreUnfinished(f"a restore is under way in {home} (wait for its end)") from None
        yield
    finally:
        os.close(fd)


def pending(home: Path) -> bool:
    """A restore is under way, or was cut off."""
    if os.path.lexists(home / FOLDER):
        return True
    try:
        fd = os.open(home / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def discard(root: Path) -> None:
    """Remove what a restore prepared, or kept aside. Raises OSError."""
    if (root / FOLDER).exists():
        shutil.rmtree(root / FOLDER)


def _perform(home: Path, moves: list[_Move]) -> None:
    """May be begun again, however far it had come. Raises OSError."""
    roots = list(dict.fromkeys(Path(move.root) for move in moves))
    others = [root for root in roots if root != home]
    for root in others:
        _move_all(root, moves)
    if others:
        # Who finishes this may not even look into the other folders.
        moves = [move for move in moves if Path(move.root) == home]
        _write_journal(home, _Journal(moves))
    if home in roots:
        _move_all(home, moves)
    (home / FOLDER / _JOURNAL).unlink()
    _sync(home / FOLDER)
    for root in dict.fromkeys([home, *others]):
        discard(root)


def _move_all(root: Path, moves: list[_Move]) -> None:
    new, old = root / FOLDER / "new", root / FOLDER / "old"
    folders = {root, new, old}
    for name in [move.name for move in moves if Path(move.root) == root]:
        target = root / name
        if not (new / name).exists():
            continue  # done before
        if not target.parent.exists():
            target.parent.mkdir(parents=True)
        # First of all: a new file must never meet the log of the old one.
        for suffix in _BESIDE:
            if Path(f"{target}{suffix}").exists():
                Path(f"{target}{suffix}").replace(Path(f"{old / name}{suffix}"))
        if target.exists() and not (old / name).exists():
            # A second name for the old one: there is no moment without a file of this name.
            try:
                os.link(target, old / name)
            except OSError:
                target.replace(old / name)  # a file system without second names
        (new / name).replace(target)
        folders |= {target.parent, (old / name).parent}
    for folder in folders:
        _sync(folder)


def _make_folder(folder: Path, root: Path) -> None:
    """For the owner of the root only, whoever makes it. Raises OSError."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        owner = root.stat()
        os.chown(folder, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _read_journal(home: Path) -> _Journal | None:
    try:
        return msgspec.json.decode((home / FOLDER / _JOURNAL).read_bytes(), type=_Journal)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        with contextlib.suppress(OSError):
            (home / FOLDER).rmdir()  # root's, who was killed before it was given away: nothing is in it yet
            return None
        raise RestoreUnfinished(
            f"{home / FOLDER / _JOURNAL} cannot be read: {error} (remove {home / FOLDER}, and restore once more)"
        ) from None


def _write_journal(home: Path, journal: _Journal) -> None:
    """Whole or not at all, and on the disk. Raises OSError."""
    path = home / FOLDER / _JOURNAL
    content = msgspec.json.encode(journal)
    write_whole(path, content, path.with_name(f"{_JOURNAL}.new"))


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
