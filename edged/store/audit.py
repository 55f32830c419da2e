r"""The audit trail: a file to which lines are added and never changed, each chained to the one before by its hash.

A line is JSON: `seq` (1, 2, …), `at`, `kind`, `by`, `camera`, `data`, `prev` (the hash of the line before, zeros for the
first) and, last, `hash`: SHA-256, in hexadecimal, over the bytes of the line before `,"hash":`. So every byte of the file
counts, and anybody can check it without edged:

    sed -n 5p audit.jsonl | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum

Several processes add to one file (the cameras' daemons, actuators, commands): each locks it while it adds a line (flock), and
looks at how it ends. What was last known to be on the disk stands in `audit.head` beside it, so that a trail that was cut
shows even before anybody compares it with what was published.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edged.errors import StoreError
from edged.events import iso_utc
from edged.whole_file import give_to_owner, sync_folder

NAME = "audit.jsonl"
ZEROS = "0" * 64
# A record says what happened, not all about it.
MOST_RECORD_BYTES = 16 * 1024
_SEAL = re.compile(rb',"hash":"([0-9a-f]{64})"}')
_SEAL_BYTES = len(b',"hash":""}') + 64
_LOCK_SECONDS = 5.0
_SHORT_CHARACTERS, _SHORT_FIELDS = 200, 16


class Head(msgspec.Struct, frozen=True):
    """How far a trail has come: the number of its last record, and that record's hash."""

    seq: int
    hash: str


class Record(msgspec.Struct, frozen=True):
    """One line. by: who wrote it, e.g. `daemon`, `edged evidence`. camera: empty where it is about none in particular."""

    seq: int
    at: str
    kind: str
    by: str
    camera: str
    data: dict[str, Any]
    prev: str


def link(line: bytes) -> tuple[str, bool]:
    """What the next record refers to, and whether the line is what was written. line: without its end."""
    sealed = _SEAL.fullmatch(line[-_SEAL_BYTES:])
    if sealed is not None:
        told = hashlib.sha256(line[:-_SEAL_BYTES]).hexdigest()
        if told.encode() == sealed[1]:
            return told, True
    return hashlib.sha256(line).hexdigest(), False


def parse(line: bytes) -> Record | None:
    """A line that is what was written; None where it is not."""
    if not link(line)[1]:
        return None
    try:
        return msgspec.json.decode(line, type=Record)
    except msgspec.MsgspecError:
        return None


class Trail:
    """One trail, for whoever adds to it. Not safe for use by several threads at once."""

    def __init__(self, folder: Path) -> None:
        """The file is made with the first record."""
        self.path = folder / NAME
        self._head_path = self.path.with_suffix(".head")
        self._fd = -1
        self._last: Head | None = None  # that we wrote, or found
        self._last_end = 0
        self._named = False  # its name is on the disk, too

    @property
    def head(self) -> Head | None:
        """The last record we know of."""
        return self._last

    def append(self, kind: str, data: Mapping[str, Any], *, by: str, camera: str = "", wall_ns: int = 0) -> Head:
        """Add a record; it outlives this process from here on, and the power after `sync`.

        wall_ns: when it happened, UTC; 0: now. What is too large for a record is shortened, and says so. Raises StoreError
        when it cannot be written.
        """
        try:
            with self._locked() as end:
                broken = self._find_end(end)
                if broken:
                    self._write("broken", broken, "audit", "", time.time_ns())
                return self._write(kind, data, by, camera, wall_ns or time.time_ns())
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror} (check the disk)") from error

    def sync(self) -> None:
        """What was added survives a power cut once this has returned. Raises StoreError."""
        if self._fd < 0 or self._last is None:
            return
        try:
            known = self._last
            os.fdatasync(self._fd)
            if not self._named:
                sync_folder(self.path.parent)
                self._named = True
            # Only now: a head that is ahead of its trail after a power cut would be a false alarm.
            with self._locked():
                noted = self._noted()
                if noted is None or noted.seq < known.seq:
                    self._note(known)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror} (check the disk)") from error

    def set_aside(self, by: str, why: str) -> Path:
        """As `renew` says."""
        aside = self.path.with_name(f"{self.path.stem}-{time.time_ns() // 1_000_000_000}{self.path.suffix}")
        if not self.path.exists():
            raise StoreError(f"{self.path} is not there: nothing has been recorded yet")
        if aside.exists():
            raise StoreError(f"{aside} is there already: try again in a second")
        try:
            with self._locked() as end:
                broken = self._find_end(end)
                digest = _digest(self.path)
                self.path.rename(aside)
                # Whoever waits for the lock finds, once it has it, that the file has another name now.
                old, self._fd = (
                    self._fd,
                    os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600),
                )
                os.close(old)
                give_to_owner(self._fd, self.path.parent)
                self._last_end = 0
                data = {"aside": aside.name, "aside_sha256": digest, "reason": why, **broken}
                self._write("renewed", data, by, "", time.time_ns())
        except OSError as error:
            raise StoreError(f"{self.path} cannot be set aside: {error.strerror}") from error
        self._named = False
        self.sync()
        return aside

    def close(self) -> None:
        """Give the file back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # -- inside -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the lock on the file that has the name now; yields its size."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            if self._fd < 0:
                # No link: root, too, writes here, in a folder that is not root's.
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
                fd = os.open(self.path, flags, 0o600)
                self._fd, self._last_end = fd, 0
                if not os.fstat(fd).st_size:
                    give_to_owner(fd, self.path.parent)
            self._lock(deadline)
            mine = os.fstat(self._fd)
            with contextlib.suppress(FileNotFoundError):
                there = self.path.stat()
                if (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev):
                    break
            self.close()  # it was set aside, and another begun
        try:
            yield mine.st_size
        finally:
            if self._fd >= 0:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _lock(self, deadline: float) -> None:
        # Not for ever: whoever holds it may have been stopped in the middle.
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OSError(errno.EAGAIN, "another process holds its lock") from None
                time.sleep(0.01)
            else:
                return

    def _find_end(self, size: int) -> dict[str, Any]:
        """See to it that `_last` is the last record of the file; what was wrong with its end, if anything."""
        if self._last is not None and size == self._last_end:
            return {}
        expected = max(filter(None, (self._last, self._noted())), key=lambda head: head.seq, default=None)
        broken: dict[str, Any] = {}
        begin = max(0, size - 2 * MOST_RECORD_BYTES)
        tail = os.pread(self._fd, size - begin, begin)
        whole = tail[: tail.rfind(b"\n") + 1]
        if torn := tail[len(whole) :]:
            # Of a record whose writer was cut off: nobody was told that it is there.
            broken["torn_bytes"] = len(torn)
            broken["torn_sha256"] = hashlib.sha256(torn).hexdigest()
            size -= len(torn)
            os.ftruncate(self._fd, size)
        line = whole[whole.rfind(b"\n", 0, -1) + 1 : -1]
        if not whole:
            last = Head(0, ZEROS)
        elif (record := parse(line)) is not None:
            last = Head(record.seq, link(line)[0])
        else:
            last = Head(max(self._count(), expected.seq if expected else 0), link(line)[0])
            broken["damaged"] = last.seq
        if expected is not None and last.seq < expected.seq:
            broken["cut_after"], broken["known"] = last.seq, msgspec.to_builtins(expected)
            # A number that was given is not given again: what is missing stays visible.
            last = Head(expected.seq, last.hash)
        elif expected is not None and last.seq == expected.seq and last != expected and "damaged" not in broken:
            broken["rewritten"] = msgspec.to_builtins(expected)
        self._last, self._last_end = last, size
        return broken

    def _count(self) -> int:
        with self.path.open("rb") as source:
            return sum(1 for _ in source)

    def _write(self, kind: str, data: Mapping[str, Any], by: str, camera: str, wall_ns: int) -> Head:
        assert self._last is not None
        record = Record(self._last.seq + 1, iso_utc(wall_ns), kind, by, camera, dict(data), self._last.hash)
        body = msgspec.json.encode(record)[:-1]
        if len(body) > MOST_RECORD_BYTES - _SEAL_BYTES - 1:
            body = msgspec.json.encode(msgspec.structs.replace(record, data=_shortened(record.data, len(body))))[:-1]
        head = Head(record.seq, hashlib.sha256(body).hexdigest())
        line = body + b',"hash":"%s"}\n' % head.hash.encode()
        end = os.fstat(self._fd).st_size
        written = os.write(self._fd, line)
        if written < len(line):
            os.ftruncate(self._fd, end)  # a full disk took half of it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._last, self._last_end = head, end + len(line)
        return head

    def _noted(self) -> Head | None:
        try:
            return msgspec.json.decode(self._head_path.read_bytes(), type=Head)
        except (OSError, msgspec.MsgspecError):
            return None

    def _note(self, head: Head) -> None:
        fd = os.open(self._head_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            give_to_owner(fd, self.path.parent)
            # In its place, less than a sector and never shorter than before: after a power cut it is the old or the new.
            os.ftruncate(fd, os.pwrite(fd, msgspec.json.encode(head) + b"\n", 0))
            os.fdatasync(fd)
        finally:
            os.close(fd)


def _shortened(data: dict[str, Any], size: int) -> dict[str, Any]:
    """What is short in it, and what remains of the rest: a record says that something happened, whatever its size."""
    short: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, str):
            short[name[:40]] = value[:_SHORT_CHARACTERS]
        elif value is None or isinstance(value, bool | int | float):
            short[name[:40]] = value
        if len(short) >= _SHORT_FIELDS:
            break
    return {**short, "shortened_from_bytes": size}


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        found = hashlib.sha256()
        while block := source.read(1 << 20):
            found.update(block)
        return found.hexdigest()


def renew(folder: Path, *, by: str, why: str) -> Path:
    """Set the trail aside, as it is, and begin another whose first record says so; where it is now.

    Numbers and hashes go on, so that the two can still be put together. Raises StoreError, also when there is none.
    """
    trail = Trail(folder)
    try:
        return trail.set_aside(by, why)
    finally:
        trail.close()


def note(folder: Path, kind: str, data: Mapping[str, Any], *, by: str, camera: str = "") -> Head:
    """Add one record and be sure of it, for commands. Raises StoreError."""
    trail = Trail(folder)
    try:
        head = trail.append(kind, data, by=by, camera=camera)
        trail.sync()
        return head
    finally:
        trail.close()
