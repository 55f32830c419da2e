"""Changes to the gallery within one transaction: each row with its seal, and the seal of them all at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from edged.store.database import Database
from edged.store.gallery_people import NewVector, Person
from edged.store.gallery_seal import moved, picture_digest, row_seal

NOTHING = bytes(32)


class Totals(NamedTuple):
    """What the gallery's own seal covers: how many rows there are, the sum of their seals, the last stranger's number."""

    people: int = 0
    embeddings: int = 0
    total: bytes = NOTHING
    last_stranger: int = 0

    def seal(self, key: bytes) -> bytes:
        """The gallery's own seal."""
        return row_seal(key, "seal", *self)

    def write(self, database: Database, key: bytes) -> None:
        """Put them in the file, sealed."""
        database.execute("INSERT OR REPLACE INTO seal VALUES (1, ?, ?, ?, ?, ?)", (*self, self.seal(key)))


def vector_seal(key: bytes, row: Sequence[Any]) -> bytes:
    """Of a row of the vectors: its columns up to the picture count, whatever follows."""
    return row_seal(key, "embedding", *row[:9], picture_digest(row[9]))


class Change:
    """Rows and their seals. For use within a transaction, to whose end `totals` are to be written."""

    def __init__(self, database: Database, key: bytes, totals: Totals) -> None:
        self._database = database
        self._key = key
        self.totals = totals

    def next_stranger(self) -> int:
        """A number that no stranger had before."""
        self.totals = self.totals._replace(last_stranger=self.totals.last_stranger + 1)
        return self.totals.last_stranger

    def add_person(self, name: str, stranger: bool, now: float, seen_at: float | None) -> int:
        """Somebody new; returns the id. now, seen_at: Unix seconds; seen_at: of strangers."""
        person = self._next("person")
        row = (person, name, int(stranger), now, seen_at, seen_at)
        mac = row_seal(self._key, "person", *row)
        self._database.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, mac))
        self._count(people=1, added=mac)
        return person

    def seen(self, person: int, now: float) -> None:
        """Somebody was seen again, if they are still there."""
        row = self._database.execute("SELECT * FROM person WHERE id = ?", (person,)).fetchone()
        if row is None:
            return
        after = (*row[:5], now)
        mac = row_seal(self._key, "person", *after)
        self._database.execute("UPDATE person SET last_seen_at = ?, mac = ? WHERE id = ?", (now, mac, person))
        self._count(added=mac, removed=row[-1])

    def add_vector(self, person: int, vector: NewVector, now: float) -> None:
        """One more vector of somebody who is there."""
        row = (
            self._next("embedding"), person, vector.model, vector.version, vector.vector, float(vector.quality), now,
            vector.source, vector.origin, vector.picture,
        )  # fmt: skip
        mac = vector_seal(self._key, row)
        self._database.execute("INSERT INTO embedding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, mac))
        self._count(embeddings=1, added=mac)

    def hand_over(self, stranger: Person, person: int) -> None:
        """A stranger's vectors become this person's, and the stranger goes."""
        for row in self._database.execute("SELECT * FROM embedding WHERE person = ?", (stranger.id,)).fetchall():
            mac = vector_seal(self._key, (row[0], person, *row[2:]))
            self._database.execute("UPDATE embedding SET person = ?, mac = ? WHERE id = ?", (person, mac, row[0]))
            self._count(added=mac, removed=row[-1])
        self.drop_person(stranger)

    def drop_person(self, person: Person) -> tuple[int, int]:
        """Returns how many vectors and pictures went with the person."""
        pictures = self._database.execute(
            "SELECT count(*) FROM embedding WHERE person = ? AND picture IS NOT NULL", (person.id,)
        ).fetchone()[0]
        vectors = self._drop_vectors("person = ?", (person.id,))
        row = self._database.execute("SELECT mac FROM person WHERE id = ?", (person.id,)).fetchone()
        if row is not None:
            self._database.execute("DELETE FROM person WHERE id = ?", (person.id,))
            self._count(people=-1, removed=row[0])
        return vectors, int(pictures)

    def drop_learned(self, person: Person) -> int:
        """Returns how many vectors went that were learned since enrolment."""
        return self._drop_vectors("person = ? AND source = 'learned'", (person.id,))

    def drop_oldest(self, person: int, source: str, limit: int) -> None:
        """Keep so many of this source."""
        self._drop_vectors(
            "id IN (SELECT id FROM embedding WHERE person = ? AND source = ? ORDER BY added_at DESC, id DESC "
            "LIMIT -1 OFFSET ?)",
            (person, source, limit),
        )

    def _drop_vectors(self, condition: str, values: Sequence[Any]) -> int:
        rows = self._database.execute(f"SELECT id, mac FROM embedding WHERE {condition}", values).fetchall()  # noqa: S608 - ours
        for vector, mac in rows:
            self._database.execute("DELETE FROM embedding WHERE id = ?", (vector,))
            self._count(embeddings=-1, removed=mac)
        return len(rows)

    def _count(self, *, people: int = 0, embeddings: int = 0, added: bytes = b"", removed: bytes = b"") -> None:
        before = self.totals
        self.totals = Totals(
            before.people + people,
            before.embeddings + embeddings,
            moved(before.total, added=added, removed=removed),
            before.last_stranger,
        )

    def _next(self, table: str) -> int:
        """An id that nobody had before: a row's seal covers its id, so it is known before the row is there."""
        row = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        # Nothing seals SQLite's own table: what is there counts as well.
        (last,) = self._database.execute(f"SELECT max(id) FROM {table}").fetchone()  # noqa: S608 - a table of ours
        return max(int(row[0]) if row else 0, last or 0) + 1
