"""The gallery: people who are recognised, strangers who were seen before, and the vectors of their faces.

One SQLite file per state directory, shared by all cameras and the command line. Vectors are bytes here: whoever
compares them has numpy. Every change is one transaction: a process killed in the middle leaves all of it or nothing.
What is deleted is overwritten (`secure_delete`) and the log is emptied after somebody was forgotten.
"""

from __future__ import annotations

import contextlib
import re
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from edged.errors import GalleryError, StoreError
from edged.store.database import Database, Error
from edged.store.gallery_seal import moved, picture_digest, read_key, row_seal
from edged.store.migrations import GALLERY_MIGRATIONS

GALLERY_FILE = "gallery.db"
STRANGER_PREFIX = "unknown-"
# What no enrolled person may be called: strangers' names, and what verdicts say instead of a name.
_RESERVED = re.compile(r"(unknown(-\d+)?|undecided|nobody)", re.IGNORECASE)
_NAME_LIMIT = 64
_EMPTYING_TRIES, _EMPTYING_SECONDS = 20, 0.1
_NOTHING = bytes(32)


class NewVector(NamedTuple):
    """A vector to be kept. source: image, camera, learned or stranger; origin: the image's file name. picture: PNG."""

    model: str
    version: str
    vector: bytes
    quality: float
    source: str
    origin: str = ""
    picture: bytes | None = None


class Vector(NamedTuple):
    """A vector as it is kept. person: its owner's id."""

    id: int
    person: int
    model: str
    version: str
    vector: bytes
    quality: float
    added_at: float
    source: str
    origin: str
    has_picture: bool


class Person(NamedTuple):
    """Somebody. first_seen_at, last_seen_at: of strangers, Unix seconds."""

    id: int
    name: str
    stranger: bool
    created_at: float
    first_seen_at: float | None
    last_seen_at: float | None


@dataclass
class Contents:
    """All there is, as far as its seals are good. problems: what somebody changed without the key, by name."""

    people: dict[int, Person] = field(default_factory=dict)
    vectors: list[Vector] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Forgotten(NamedTuple):
    """What went. backups: files that may still hold the person. emptied: nothing is left in the log either."""

    name: str
    vectors: int
    pictures: int
    backups: list[Path]
    emptied: bool


def check_name(name: str) -> str:
    """The name as it is kept. Raises GalleryError for what cannot be one."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > _NAME_LIMIT or not name.isprintable():
        raise GalleryError(f"{name!r} is no name (1 to {_NAME_LIMIT} printable characters)")
    if _RESERVED.fullmatch(name):
        raise GalleryError(f"{name!r} is what somebody without a name is called (give another name)")
    return name


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
        self._key = read_key(folder, key_file)
        # A damaged one is not replaced: that nobody is known any more must not happen by itself.
        with self._plainly():
            self._database = Database(self.path, GALLERY_MIGRATIONS, replace_damaged=False)
            self._database.execute("PRAGMA secure_delete=ON").fetchone()
            if self._database.execute("SELECT 1 FROM seal").fetchone() is None:
                self._first_seal()

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
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def contents(self) -> Contents:
        """Everybody and every vector whose seal is good."""
        with self._reading():
            found, _ = self._checked()
        return found

    def problems(self) -> list[str]:
        """What was changed without the key, or damaged; also in what no seal covers (indexes, pages)."""
        found = self.contents().problems
        with self._plainly():
            verdicts = self._database.execute("PRAGMA integrity_check(20)").fetchall()
        return found + [f"the file is damaged: {verdict}" for (verdict,) in verdicts if verdict != "ok"]

    def picture(self, vector: int) -> bytes | None:
        """The PNG that is kept with a vector. Raises GalleryError if it was changed."""
        with self._plainly():
            row = self._database.execute("SELECT * FROM embedding WHERE id = ?", (vector,)).fetchone()
        if row is None:
            return None
        if row[-1] != self._vector_seal(row[:-1]):
            raise GalleryError(f"embedding {vector} was changed by somebody without the key (edged faces verify)")
        return row[9]  # type: ignore[no-any-return]

    def find(self, name: str) -> Person | None:
        """Somebody by name, upper or lower case."""
        row = self._database.execute(
            "SELECT id, name, stranger, created_at, first_seen_at, last_seen_at FROM person WHERE name = ?",
            (unicodedata.normalize("NFC", name).strip(),),
        ).fetchone()
        return None if row is None else _person(row)

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
        person = self._must_find(name)
        with self._changing() as change:
            vectors, pictures = change.drop_person(person)
        emptied = self._empty_log()
        return Forgotten(person.name, vectors, pictures, self._backups(), emptied)

    def name_stranger(self, stranger: str, name: str, now: float | None = None) -> int:
        """Enrol a stranger under a name; their vectors join those of a person who is known already.

        Returns the person's id. Raises GalleryError.
        """
        name = check_name(name)
        one = self._must_find(stranger)
        if not one.stranger:
            raise GalleryError(f"{one.name} has a name already (edged faces list shows strangers)")
        now = time.time() if now is None else now
        with self._changing(durable=True) as change:
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
            if self._database.execute("SELECT 1 FROM person WHERE id = ?", (person,)).fetchone() is None:
                return False
            change.add_vector(person, vector, now)
            change.drop_oldest(person, vector.source, limit)
        return True

    def unlearn(self, name: str) -> int:
        """Remove what was learned of a person since enrolment. Returns how many vectors. Raises GalleryError."""
        person = self._must_find(name)
        with self._changing() as change:
            dropped = change.drop_vectors("person = ? AND source = 'learned'", (person.id,))
        self._empty_log()
        return dropped

    def expire(self, before: float, limit: int) -> list[str]:
        """Forget strangers last seen before this time, and who was away longest beyond the limit. Returns their names."""
        rows = self._database.execute(
            "SELECT id, name, stranger, created_at, first_seen_at, last_seen_at FROM person WHERE stranger "
            "ORDER BY last_seen_at DESC"
        ).fetchall()
        gone = [one for rank, one in enumerate(map(_person, rows)) if rank >= limit or (one.last_seen_at or 0) < before]
        if gone:
            with self._changing() as change:
                for one in gone:
                    change.drop_person(one)
            self._empty_log()
        return [one.name for one in gone]

    def repair(self) -> list[str]:
        """Drop what has no good seal and seal the rest anew. Returns what was dropped, as `problems` names it."""
        with self._plainly(), self._database.transaction():
            found, bad = self._checked()
            for table, row in sorted(bad):  # embeddings before the people they belong to
                self._database.execute(f"DELETE FROM {table} WHERE id = ?", (row,))  # noqa: S608 - a table of ours
            # Of strangers numbers must not come twice, whatever the broken seal said.
            numbers = [int(one.name[len(STRANGER_PREFIX) :]) for one in found.people.values() if one.stranger]
            self._write_seal(last_stranger=max([self._seal_row()[3], *numbers]))
        with self._plainly():
            self._database.sync()
        return found.problems

    def note_export(self, path: Path, now: float) -> None:
        """Remember where a copy went."""
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
    def _reading(self) -> Iterator[None]:
        """One state of the file, whoever writes meanwhile."""
        with self._plainly():
            self._database.execute("BEGIN")
            try:
                yield
            finally:
                self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _changing(self, *, durable: bool = False) -> Iterator[_Change]:
        """One transaction. durable: it also outlives a power cut. Raises GalleryError, StoreError."""
        with self._plainly(), self._sealing() as change:
            yield change
        if durable:
            with self._plainly():
                self._database.sync()

    @contextlib.contextmanager
    def _sealing(self) -> Iterator[_Change]:
        with self._database.transaction():
            people, embeddings, total, last, mac = self._seal_row()
            if mac != row_seal(self._key, "seal", people, embeddings, total, last):
                raise GalleryError(
                    f"{self.path} was changed by somebody without its key: nothing is added to it "
                    "(edged faces verify says what; restore it, or edged faces verify --repair)"
                )
            change = _Change(self._database, self._key, people, embeddings, total, last)
            yield change
            change.write_seal()

    def _seal_row(self) -> tuple[int, int, bytes, int, bytes]:
        row = self._database.execute("SELECT people, embeddings, total, last_stranger, mac FROM seal").fetchone()
        return (0, 0, _NOTHING, 0, b"") if row is None else tuple(row)

    def _first_seal(self) -> None:
        with self._database.transaction():
            # A gallery that holds somebody but no seal has lost it to somebody.
            empty = self._database.execute("SELECT 1 FROM person").fetchone() is None
            if empty and self._database.execute("SELECT 1 FROM seal").fetchone() is None:
                self._write_seal(last_stranger=0)

    def _write_seal(self, *, last_stranger: int) -> None:
        """From all rows as they are: at the beginning, and after a repair."""
        total, counts = _NOTHING, []
        for table in ("person", "embedding"):
            macs = self._database.execute(f"SELECT mac FROM {table}").fetchall()  # noqa: S608 - a table of ours
            counts.append(len(macs))
            for (mac,) in macs:
                total = moved(total, added=mac)
        _Change(self._database, self._key, counts[0], counts[1], total, last_stranger).write_seal()

    def _checked(self) -> tuple[Contents, list[tuple[str, int]]]:
        """What is good, and (table, id) of what is not."""
        found, bad, total = Contents(), [], _NOTHING
        names: dict[int, str] = {}
        for row in self._database.execute(
            "SELECT id, name, stranger, created_at, first_seen_at, last_seen_at, mac FROM person"
        ):
            names[row[0]] = str(row[1])
            total = moved(total, added=_bytes(row[-1]))
            if row[-1] == row_seal(self._key, "person", *row[:-1]):
                found.people[row[0]] = _person(row[:-1])
            else:
                found.problems.append(f"person {row[0]} ({row[1]}) was changed by somebody without the key")
                bad.append(("person", row[0]))
        for row in self._database.execute("SELECT * FROM embedding ORDER BY id"):
            total = moved(total, added=_bytes(row[-1]))
            if row[-1] == self._vector_seal(row[:-1]) and row[1] in found.people:
                found.vectors.append(Vector._make((*row[:9], row[9] is not None)))
            elif row[1] in found.people:
                whose = names.get(row[1], "nobody")
                found.problems.append(f"embedding {row[0]} of {whose} was changed by somebody without the key")
                bad.append(("embedding", row[0]))
            else:
                bad.append(("embedding", row[0]))  # of a person who was changed: named there
        people, embeddings, sealed, last, mac = self._seal_row()
        if mac != row_seal(self._key, "seal", people, embeddings, sealed, last):
            found.problems.append("the gallery's own seal was changed, or made with another key")
        elif not bad and total != sealed:
            counted = len(names), len(found.vectors)
            found.problems.append(
                "people or embeddings were added or removed by somebody without the key: "
                f"{people} people and {embeddings} embeddings are sealed, {counted[0]} and {counted[1]} are there"
            )
        return found, bad

    def _vector_seal(self, row: Sequence[Any]) -> bytes:
        return row_seal(self._key, "embedding", *row[:9], picture_digest(row[9]))

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
        exports = [Path(path) for (path,) in self._database.execute("SELECT path FROM export ORDER BY made_at")]
        return sorted({*beside, *(path for path in exports if path.exists())})


class _Change:
    """Rows and their seals within one transaction."""

    def __init__(self, database: Database, key: bytes, people: int, embeddings: int, total: bytes, last: int) -> None:
        self._database = database
        self._key = key
        self._people, self._embeddings, self._total, self._last = people, embeddings, total, last

    def next_stranger(self) -> int:
        self._last += 1
        return self._last

    def add_person(self, name: str, stranger: bool, now: float, seen_at: float | None) -> int:
        person = self._next("person")
        row = (person, name, int(stranger), now, seen_at, seen_at)
        mac = row_seal(self._key, "person", *row)
        self._database.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, mac))
        self._people += 1
        self._total = moved(self._total, added=mac)
        return person

    def seen(self, person: int, now: float) -> None:
        row = self._database.execute("SELECT * FROM person WHERE id = ?", (person,)).fetchone()
        if row is None:
            return
        after = (*row[:5], now)
        mac = row_seal(self._key, "person", *after)
        self._database.execute("UPDATE person SET last_seen_at = ?, mac = ? WHERE id = ?", (now, mac, person))
        self._total = moved(self._total, added=mac, removed=row[-1])

    def add_vector(self, person: int, vector: NewVector, now: float) -> None:
        row = (
            self._next("embedding"), person, vector.model, vector.version, vector.vector, float(vector.quality), now,
            vector.source, vector.origin,
        )  # fmt: skip
        mac = row_seal(self._key, "embedding", *row, picture_digest(vector.picture))
        self._database.execute(
            "INSERT INTO embedding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, vector.picture, mac)
        )
        self._embeddings += 1
        self._total = moved(self._total, added=mac)

    def hand_over(self, stranger: Person, person: int) -> None:
        """A stranger's vectors become this person's, and the stranger goes."""
        for row in self._database.execute("SELECT * FROM embedding WHERE person = ?", (stranger.id,)).fetchall():
            after = (row[0], person, *row[2:9])
            mac = row_seal(self._key, "embedding", *after, picture_digest(row[9]))
            self._database.execute("UPDATE embedding SET person = ?, mac = ? WHERE id = ?", (person, mac, row[0]))
            self._total = moved(self._total, added=mac, removed=row[-1])
        self.drop_person(stranger)

    def drop_person(self, person: Person) -> tuple[int, int]:
        """Returns how many vectors and pictures went with the person."""
        pictures = self._database.execute(
            "SELECT count(*) FROM embedding WHERE person = ? AND picture IS NOT NULL", (person.id,)
        ).fetchone()[0]
        vectors = self.drop_vectors("person = ?", (person.id,))
        row = self._database.execute("SELECT mac FROM person WHERE id = ?", (person.id,)).fetchone()
        if row is not None:
            self._database.execute("DELETE FROM person WHERE id = ?", (person.id,))
            self._people -= 1
            self._total = moved(self._total, removed=row[0])
        return vectors, int(pictures)

    def drop_vectors(self, condition: str, values: Sequence[Any]) -> int:
        rows = self._database.execute(f"SELECT id, mac FROM embedding WHERE {condition}", values).fetchall()  # noqa: S608 - ours
        for vector, mac in rows:
            self._database.execute("DELETE FROM embedding WHERE id = ?", (vector,))
            self._embeddings -= 1
            self._total = moved(self._total, removed=mac)
        return len(rows)

    def drop_oldest(self, person: int, source: str, limit: int) -> None:
        """Keep so many of this source."""
        self.drop_vectors(
            "id IN (SELECT id FROM embedding WHERE person = ? AND source = ? ORDER BY added_at DESC, id DESC "
            "LIMIT -1 OFFSET ?)",
            (person, source, limit),
        )

    def write_seal(self) -> None:
        content = (self._people, self._embeddings, self._total, self._last)
        self._database.execute(
            "INSERT OR REPLACE INTO seal VALUES (1, ?, ?, ?, ?, ?)", (*content, row_seal(self._key, "seal", *content))
        )

    def _next(self, table: str) -> int:
        """An id that nobody had before: a row's seal covers its id, so it is known before the row is there."""
        row = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0]) + 1 if row else 1


def _person(row: Sequence[Any]) -> Person:
    return Person(row[0], row[1], bool(row[2]), *row[3:6])


def _bytes(value: Any) -> bytes:
    """What stands where a seal should: somebody may have put anything there."""
    return value if isinstance(value, bytes) else b""
