"""The rows of the gallery as they lie in its file: read, checked against their seals, sealed anew.

What SQLite raises passes through: `Gallery` makes a sentence of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from edged.errors import GalleryError
from edged.store.database import Database
from edged.store.gallery_change import NOTHING, Change, Totals, vector_seal
from edged.store.gallery_people import STRANGER_PREFIX, Contents, Person, Vector, as_kept
from edged.store.gallery_seal import moved, row_seal

_PERSON = "SELECT id, name, stranger, created_at, first_seen_at, last_seen_at"


class _Checked(NamedTuple):
    """What is good, and (table, id) of what is not."""

    contents: Contents
    bad: list[tuple[str, int]]


class Rows:
    """Of one open file and the key of its seals."""

    def __init__(self, database: Database, key: bytes) -> None:
        """Seals an empty file that has no seal yet."""
        self._database = database
        self._key = key
        if self._lacks("SELECT 1 FROM seal"):
            self._first_seal()

    def find(self, name: str) -> Person | None:
        """Somebody by name, upper or lower case."""
        name = as_kept(name)
        row = self._database.execute(f"{_PERSON} FROM person WHERE name = ?", (name,)).fetchone()
        if row is None and not name.isascii():
            # SQLite's NOCASE knows the letters of ASCII alone.
            everybody = self._database.execute(f"{_PERSON} FROM person").fetchall()
            row = next((one for one in everybody if str(one[1]).casefold() == name.casefold()), None)
        return None if row is None else _person(row)

    def has(self, person: int) -> bool:
        """Is somebody of this id there?"""
        return not self._lacks("SELECT 1 FROM person WHERE id = ?", person)

    def strangers(self) -> list[Person]:
        """Who was seen last comes first."""
        rows = self._database.execute(f"{_PERSON} FROM person WHERE stranger ORDER BY last_seen_at DESC").fetchall()
        return [_person(row) for row in rows]

    def contents(self) -> Contents:
        """Everybody and every vector whose seal is good, from one state of the file, whoever writes meanwhile."""
        self._database.execute("BEGIN")
        try:
            return self._checked().contents
        finally:
            self._database.execute("COMMIT")

    def picture(self, vector: int) -> bytes | None:
        """The PNG that is kept with a vector. Raises GalleryError if it was changed."""
        row = self._database.execute("SELECT * FROM embedding WHERE id = ?", (vector,)).fetchone()
        if row is None:
            return None
        if row[-1] != vector_seal(self._key, row):
            raise GalleryError(f"embedding {vector} was changed by somebody without the key (edged faces verify)")
        return row[9]  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def changing(self) -> Iterator[Change]:
        """One transaction. Raises GalleryError where the gallery's own seal is not good: nothing is added to that."""
        with self._database.transaction():
            totals, mac = self._totals()
            if mac != totals.seal(self._key):
                raise GalleryError(
                    f"{self._database.path} was changed by somebody without its key: nothing is added to it "
                    "(edged faces verify says what; restore it, or edged faces verify --repair)"
                )
            change = Change(self._database, self._key, totals)
            yield change
            change.totals.write(self._database, self._key)

    def repair(self) -> list[str]:
        """Drop what has no good seal and seal the rest anew. Returns what was dropped, one sentence each."""
        with self._database.transaction():
            found, bad = self._checked()
            for table, row in sorted(bad):  # embeddings before the people they belong to
                self._database.execute(f"DELETE FROM {table} WHERE id = ?", (row,))  # noqa: S608 - a table of ours
            # Of strangers numbers must not come twice, whatever the broken seal said.
            numbers = [int(one.name[len(STRANGER_PREFIX) :]) for one in found.people.values() if one.stranger]
            totals, _ = self._totals()
            self._seal_all(last_stranger=max([totals.last_stranger, *numbers]))
        return found.problems

    def _first_seal(self) -> None:
        with self._database.transaction():
            # A gallery that holds somebody but no seal has lost it to somebody.
            if self._lacks("SELECT 1 FROM person") and self._lacks("SELECT 1 FROM seal"):
                self._seal_all(last_stranger=0)

    def _seal_all(self, *, last_stranger: int) -> None:
        """From all rows as they are: at the beginning, and after a repair."""
        total, counts = NOTHING, []
        for table in ("person", "embedding"):
            macs = self._database.execute(f"SELECT mac FROM {table}").fetchall()  # noqa: S608 - a table of ours
            counts.append(len(macs))
            for (mac,) in macs:
                total = moved(total, added=mac)
        Totals(counts[0], counts[1], total, last_stranger).write(self._database, self._key)

    def _totals(self) -> tuple[Totals, bytes]:
        """As the file has them, and their seal; no seal where there is none."""
        row = self._database.execute("SELECT people, embeddings, total, last_stranger, mac FROM seal").fetchone()
        return (Totals(), b"") if row is None else (Totals._make(row[:4]), row[4])

    def _checked(self) -> _Checked:
        found, bad, total = Contents(), [], NOTHING
        names: dict[int, str] = {}
        for row in self._database.execute(f"{_PERSON}, mac FROM person"):
            names[row[0]] = str(row[1])
            total = moved(total, added=_bytes(row[-1]))
            if row[-1] == row_seal(self._key, "person", *row[:-1]):
                found.people[row[0]] = _person(row[:-1])
            else:
                found.problems.append(f"person {row[0]} ({row[1]}) was changed by somebody without the key")
                bad.append(("person", row[0]))
        for row in self._database.execute("SELECT * FROM embedding ORDER BY id"):
            total = moved(total, added=_bytes(row[-1]))
            if row[-1] == vector_seal(self._key, row) and row[1] in found.people:
                found.vectors.append(Vector._make((*row[:9], row[9] is not None)))
            elif row[1] in found.people:
                whose = names.get(row[1], "nobody")
                found.problems.append(f"embedding {row[0]} of {whose} was changed by somebody without the key")
                bad.append(("embedding", row[0]))
            else:
                if row[1] not in names:
                    found.problems.append(
                        f"embedding {row[0]} is of person {row[1]}, who was removed by somebody without the key"
                    )
                bad.append(("embedding", row[0]))  # of a person who was changed: named there
        sealed, mac = self._totals()
        if mac != sealed.seal(self._key):
            found.problems.append("the gallery's own seal was changed, or made with another key")
        elif not bad and total != sealed.total:
            counted = len(names), len(found.vectors)
            found.problems.append(
                "people or embeddings were added or removed by somebody without the key: "
                f"{sealed.people} people and {sealed.embeddings} embeddings are sealed, "
                f"{counted[0]} and {counted[1]} are there"
            )
        return _Checked(found, bad)

    def _lacks(self, statement: str, *values: Any) -> bool:
        return self._database.execute(statement, values).fetchone() is None


def _person(row: Sequence[Any]) -> Person:
    return Person(row[0], row[1], bool(row[2]), *row[3:6])


def _bytes(value: Any) -> bytes:
    """What stands where a seal should: somebody may have put anything there."""
    return value if isinstance(value, bytes) else b""
