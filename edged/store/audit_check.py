"""Is an audit trail what was written: finds and names records that were changed, removed, moved or added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edged.errors import StoreError
from edged.store.audit import NAME, ZEROS, Head, Record, link, parse

_MOST_FINDINGS = 50


@dataclass
class Verdict:
    """records: how many good ones there are. head: of the last line. problems: one plain sentence each; none: all is well.
    notes: what is not as it was and need not worry anybody.
    """

    records: int = 0
    first: int = 0
    head: Head | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def records(folder: Path) -> Iterator[Record]:
    """All good records, in the order of the file. Raises StoreError when there is no file."""
    return _records(folder / NAME)


def all_records(folder: Path) -> Iterator[Record]:
    """The same with those of trails that were set aside before them; none where nothing has been recorded."""
    stem, suffix = NAME.split(".")
    paths = sorted(path for path in folder.glob(f"{stem}-*.{suffix}") if path.stem.removeprefix(f"{stem}-").isdigit())
    for path in (*paths, folder / NAME):
        if path.exists():
            yield from _records(path)


def _records(path: Path) -> Iterator[Record]:
    for _, line, whole in _lines(path):
        record = parse(line) if whole else None
        if record is not None:
            yield record


def verify(folder: Path, published: Iterable[tuple[str, Head]] = ()) -> Verdict:
    """Look at every line. published: where a head was told, and what: the trail must go so far, and be the same there.

    Raises StoreError when there is no file, or it cannot be read.
    """
    path = folder / NAME
    verdict = Verdict()
    problems = verdict.problems
    wanted = [*_noted(path.with_suffix(".head"), problems), *published]
    met: dict[int, str] = {}
    sought = {head.seq for _, head in wanted}
    largest = 0
    previous: Head | None = None
    trusted = True  # the line before is what was written
    for number, line, whole in _lines(path):
        told, good = link(line)
        record = parse(line) if whole else None
        if not whole:
            problems.append(f"line {number}: has no end: it was cut in the middle, or is still being written")
        if record is None or not good:
            where = f"record {previous.seq + 1}" if previous is not None else "the first record"
            if whole:
                problems.append(f"line {number} ({where}) was changed, or added")
            previous = Head(previous.seq + 1 if previous is not None else number, told)
            largest = max(largest, previous.seq)
            trusted = False
            continue
        verdict.records += 1
        verdict.first = verdict.first or record.seq
        problems += _placed(record, number, previous, largest, trusted=trusted)
        if record.kind == "broken":
            # Half a record at the end alone is what a power cut leaves.
            grave = record.data.keys() - {"torn_bytes", "torn_sha256"}
            (problems if grave else verdict.notes).append(f"record {record.seq} of {record.at}: {told_broken(record)}")
        if record.seq in sought:
            met.setdefault(record.seq, told)
        previous = Head(record.seq, told)
        largest = max(largest, record.seq)
        trusted = True
    verdict.head = previous
    for where, head in wanted:
        problems += _compared(where, head, met, verdict)
    if len(problems) > _MOST_FINDINGS:
        rest = len(problems) - _MOST_FINDINGS
        problems[_MOST_FINDINGS:] = [f"and {rest} more"]
    return verdict


def told_broken(record: Record) -> str:
    """What was found when the next record was to be added, as a sentence."""
    data = record.data
    said = []
    if "torn_bytes" in data:
        said.append(
            f"half a record of {data['torn_bytes']} bytes stood at the end, as after a power cut, and was taken away"
        )
    if "damaged" in data:
        said.append(f"the last record ({data['damaged']}) was damaged")
    if "cut_after" in data:
        said.append(
            f"the trail ended after record {data['cut_after']}, though record {data['known']['seq']} had been written"
        )
    if "rewritten" in data:
        said.append(f"record {data['rewritten']['seq']} was not the one that had been written")
    return "; ".join(said) or "the end of the trail was not as it had been left"


def _placed(record: Record, number: int, previous: Head | None, largest: int, *, trusted: bool) -> list[str]:
    """Is a good record where it belongs?"""
    seq = record.seq
    if previous is None:
        if record.kind == "renewed" or (seq == 1 and record.prev == ZEROS):
            return []
        return [f"line {number}: the trail begins with record {seq}: what was before was removed"]
    if seq <= largest:
        return [f"line {number}: record {seq} stands after record {largest}: it was moved, or added"]
    if seq > largest + 1:
        missing = f"record {seq - 1} is" if seq == largest + 2 else f"records {largest + 1} to {seq - 1} are"
        return [f"line {number}: {missing} missing before record {seq}"]
    if trusted and seq == previous.seq + 1 and record.prev != previous.hash:
        return [f"line {number}: record {seq} does not follow from record {previous.seq}: one of them was replaced"]
    return []


def _compared(where: str, head: Head, met: dict[int, str], verdict: Verdict) -> list[str]:
    last = verdict.head.seq if verdict.head is not None else 0
    if head.seq > last:
        return [f"the trail ends with record {last}, but {where} says that record {head.seq} was written: it was cut"]
    if head.seq in met:
        if met[head.seq] != head.hash:
            return [f"record {head.seq} is not the one that {where} tells of: the trail was rewritten"]
        return []
    if head.seq < verdict.first:
        return []  # of a trail that was set aside
    return [f"record {head.seq}, of which {where} tells, is not there as it was written"]


def _noted(path: Path, problems: list[str]) -> list[tuple[str, Head]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        problems.append(f"{path.name} is missing: whether the last records were cut cannot be told from here")
        return []
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    try:
        head = msgspec.json.decode(content, type=Head)
    except msgspec.MsgspecError:
        head = None
    if head is None or content != msgspec.json.encode(head) + b"\n":
        problems.append(f"{path.name} was changed")
        return []
    return [(path.name, head)]


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Line number, content without its end, and whether it has one."""
    try:
        with path.open("rb") as source:
            for number, line in enumerate(source, 1):
                yield number, line.removesuffix(b"\n"), line.endswith(b"\n")
    except FileNotFoundError:
        raise StoreError(f"{path} is not there: nothing has been recorded, or all of it was removed") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
