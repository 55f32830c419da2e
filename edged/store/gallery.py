"""The gallery: people who are recognised, strangers who were seen before, and the vectors of their faces.

One SQLite file per state directory, shared by all cameras and the command line. Vectors are bytes here: whoever
compares them has numpy. Every change is one transaction: a process killed in the middle leaves all of it or nothing.
What is deleted is overwritten (`secure_delete`) and the log is emptied after somebody was forgotten.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from edged.clock import PLAUSIBLE_UNIX
from edged.errors import GalleryError, StoreError
from edged.store.database import Database, Error
from edged.store.gallery_change import Change
from edged.store.gallery_people import STRANGER_PREFIX, Contents, NewVector, Person, check_name
from edged.store.gallery_rows import Rows
from edged.store.gallery_seal import read_key
from edged.store.migrations import GALLERY_MIGRATIONS

GALLERY_FILE = "gallery.db"
_EMPTYING_TRIES, _EMPTYING_SECONDS = 20, 0.1


class Forgotten(NamedTuple):
    """What went. backups: files that may still hold the person. emptied: nothing is left in the log either."""

    name: str
    vectors: int
    pictures: int
    backups: list[Path]
    emptied: bool


class Gallery:
    """The open file. For one thread. Raises StoreError at construction (unreadable, damaged, or of a newer edged), and
    whenever the file cannot be read or written.
    """

    def __init__(self, folder: Path, key_file: Path | None = None) -> None:
        self.path = folder / GALLERY_FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be made: {error.strerror} (set store.directory)") from None
        key = read_key(folder, key_file)
        # A damaged one is not replaced: that nobody is known any more must not happen by itself.
        with self._plainly():
            self._database = Database(self.path, GALLERY_MIGRATIONS, replace_damaged=False)
            self._database.execute("PRAGMA secure_delete=ON").fetchone()
            self._rows = Rows(self._database, key)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # --- looking ---------------------------------------------------------------------------------------------------

    def version(self) -> int:
        """Another number whenever somebody else changed the file (PRAGMA data_version)."""
        with self._plainly():
            return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def contents(self) -> Contents:
        """Everybody and every vector whose seal is good."""
        with self._plainly():
            return self._rows.contents()

    def problems(self) -> list[str]:
        """What was changed without the key, or damaged; also in what no seal covers (indexes, pages)."""
        found = self.contents().problems
        with self._plainly():
            verdicts = self._database.execute("PRAGMA integrity_check(20)").fetchall()
        return found + [f"the file is damaged: {verdict}" for (verdict,) in verdicts if verdict != "ok"]

    def picture(self, vector: int) -> bytes | None:
        """The PNG that is kept with a vector. Raises GalleryError if it was changed."""
        with self._plainly():
            return self._rows.picture(vector)

    def find(self, name: str) -> Person | None:
        """Somebody by name, upper or lower case."""
        with self._plainly():
            return self._rows.find(name)

    # --- changing --------------------------------------------------------------------------------------------------

    def enrol(self, name: str, vectors: Sequence[NewVector], now: float | None = None) -> int:
        """Add these vectors to the person, who is made if there is none of the name: all or nothing, and for good.

        Returns the person's id. Raises GalleryError.
        """
        (person,) = self.enrol_all([(name, vectors)], now)
        return person

    def enrol_all(self, people: Sequence[tuple[str, Sequence[NewVector]]], now: float | None = None) -> list[int]:
        """As `enrol`, of several people: all of them or nobody."""
        now = time.time() if now is None else now
        ids = []
        with self._changing(durable=True) as change:
            for given, vectors in people:
                name = check_name(given)
                known = self.find(name)
                person = known.id if known else change.add_person(name, False, now, None)
                for vector in vectors:
                    change.add_vector(person, vector, now)
                ids.append(person)
        return ids

    def forget(self, name: str) -> Forgotten:
        """Remove a person or stranger, overwrite what was there and empty the log. Raises GalleryError: nobody of the name."""
        with self._changing() as change:
            person = self._must_find(name)
            vectors, pictures = change.drop_person(person)
        emptied = self._empty_log()
        return Forgotten(person.name, vectors, pictures, self._backups(), emptied)

    def name_stranger(self, stranger: str, name: str, now: float | None = None) -> int:
        """Enrol a stranger under a name; their vectors join those of a person who is known already.

        Returns the person's id. Raises GalleryError.
        """
        name = check_name(name)
        now = time.time() if now is None else now
        with self._changing(durable=True) as change:
            one = self._must_find(stranger)
            if not one.stranger:
                raise GalleryError(f"{one.name} has a name already (edged faces list shows strangers)")
            known = self.find(name)
            person = known.id if known else change.add_person(name, False, now, None)
            change.hand_over(one, person)
        return person

    def add_stranger(self, vectors: Sequence[NewVector], now: float) -> Person:
        """A new stranger, with a number that was never given before."""
        with self._changing() as change:
            name = f"{STRANGER_PREFIX}{change.next_stranger()}"
            person = change.add_person(name, True, now, now)
            for vector in vectors:
                change.add_vector(person, vector, now)
        return Person(person, name, True, now, now, now)

    def saw_stranger(self, person: int, now: float) -> None:
        """Somebody was seen again. A stranger who was forgotten meanwhile stays forgotten."""
        with self._changing() as change:
            change.seen(person, now)

    def add_vector(self, person: int, vector: NewVector, now: float, limit: int) -> bool:
        """One more vector of this source; beyond the limit the oldest of that source goes. False: the person is gone."""
        with self._changing() as change:
            if not self._rows.has(person):
                return False
            change.add_vector(person, vector, now)
            change.drop_oldest(person, vector.source, limit)
        return True

    def unlearn(self, name: str) -> int:
        """Remove what was learned of a person since enrolment. Returns how many vectors. Raises GalleryError."""
        with self._changing() as change:
            person = self._must_find(name)
            dropped = change.drop_learned(person)
        self._empty_log()
        return dropped

    def expire(self, before: float, limit: int) -> list[str]:
        """Forget strangers last seen before this time, and who was away longest beyond the limit. Returns their names.

        Who was seen by a clock that had not been set yet is not old for it; being seen again gives them a better date.
        """
        with self._plainly():
            strangers = self._rows.strangers()
        gone = [
            one for rank, one in enumerate(strangers) if rank >= limit or _is_before(one.last_seen_at or 0.0, before)
        ]
        if gone:
            with self._changing() as change:
                for one in gone:
                    change.drop_person(one)
            self._empty_log()
        return [one.name for one in gone]

    def repair(self) -> list[str]:
        """Drop what has no good seal and seal the rest anew. Returns what was dropped, as `problems` names it."""
        with self._plainly():
            dropped = self._rows.repair()
            self._database.sync()
        return dropped

    def note_export(self, path: Path, now: float) -> None:
        """Remember where a copy went."""
        with self._plainly():
            self._database.execute("INSERT OR REPLACE INTO export VALUES (?, ?)", (str(path.absolute()), now))

    # --- inside ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _plainly(self) -> Iterator[None]:
        """What SQLite says, as one sentence. Raises StoreError."""
        try:
            yield
        except Error as error:
            raise StoreError(f"{self.path}: {error} (edged faces verify; check the disk)") from error
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            # Tables whose columns somebody renamed, texts where numbers were.
            raise StoreError(
                f"{self.path} is not as edged left it: {type(error).__name__}: {error} (restore it from a copy)"
            ) from error
        except OSError as error:
            raise StoreError(f"{self.path} cannot be made durable: {error.strerror} (check the disk)") from error

    @contextlib.contextmanager
    def _changing(self, *, durable: bool = False) -> Iterator[Change]:
        """One transaction. durable: it also outlives a power cut. Raises GalleryError, StoreError."""
        with self._plainly(), self._rows.changing() as change:
            yield change
        if durable:
            with self._plainly():
                self._database.sync()

    def _must_find(self, name: str) -> Person:
        person = self.find(name)
        if person is None:
            raise GalleryError(f"nobody is called {name!r} (edged faces list shows who is there)")
        return person

    def _empty_log(self) -> bool:
        """Fold the log into the file and cut it to nothing; False: somebody read all the while."""
        for _ in range(_EMPTYING_TRIES):
            try:
                (busy, *_rest) = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except Error:
                busy = 1
            if not busy:
                return True
            time.sleep(_EMPTYING_SECONDS)
        return False

    def _backups(self) -> list[Path]:
        """Copies we know of: exports that are still there, and files beside the gallery that were made from it."""
        own = {self.path.name, f"{self.path.name}-wal", f"{self.path.name}-shm"}
        beside = [path for path in self.path.parent.glob(f"{self.path.name}*") if path.name not in own]
        with self._plainly():
            exports = [Path(path) for (path,) in self._database.execute("SELECT path FROM export")]
        exports += [path.with_name(f".{path.name}.new") for path in exports]  # of an export that was killed
        return sorted({*beside, *(path for path in exports if path.is_file())})


def _is_before(seen_at: float, before: float) -> bool:
    return seen_at < before and not seen_at < PLAUSIBLE_UNIX < before
