"""What is sealed with a passphrase opens with it alone, and no change to it goes unnoticed."""

from __future__ import annotations

import io
import json
import os
import random

import pytest

from edged.care import sealed_stream
from edged.care.sealed_stream import CHUNK_BYTES, MAGIC, OpeningReader, SealingWriter
from edged.errors import BackupError

PASSPHRASE = "correct horse battery"
SEALED = CHUNK_BYTES + 16


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The price of a guess is not what these tests are about."""
    monkeypatch.setattr(sealed_stream, "_N", 1 << 10)
    monkeypatch.setattr(sealed_stream, "_P", 1)


def sealed(content: bytes, passphrase: str = PASSPHRASE, piece: int = 10_000) -> bytes:
    sink = io.BytesIO()
    writer = SealingWriter(sink, passphrase)
    for begin in range(0, len(content), piece):
        writer.write(content[begin : begin + piece])
    writer.finish()
    return sink.getvalue()


def opened(content: bytes, passphrase: str = PASSPHRASE) -> bytes:
    return OpeningReader(io.BytesIO(content), passphrase, "b.edged").readall() or b""


def refused(content: bytes) -> bool:
    try:
        opened(content)
    except BackupError:
        return True
    return False


def head_of(content: bytes) -> int:
    return content.index(b"\n", len(MAGIC)) + 1


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 5]
)
def test_what_comes_out_is_what_went_in(size: int) -> None:
    content = os.urandom(size)
    assert opened(sealed(content)) == content
    assert opened(sealed(content, piece=CHUNK_BYTES * 2)) == content


def test_twice_the_same_is_never_sealed_the_same() -> None:
    first, second = sealed(b"x" * 1000), sealed(b"x" * 1000)
    assert first[head_of(first) :] != second[head_of(second) :]


def test_another_passphrase_opens_nothing() -> None:
    with pytest.raises(BackupError, match="the passphrase is another one"):
        opened(sealed(b"secret"), "correct horse batterz")


def test_letters_typed_elsewhere_are_the_same_letters() -> None:
    assert opened(sealed(b"x", "gro\u00df und sch\u00f6n 123"), "gro\u00df und scho\u0308n 123") == b"x"


def test_every_changed_bit_is_found() -> None:
    content = sealed(os.urandom(CHUNK_BYTES * 2 + 100))
    chance = random.Random(3)
    begin = head_of(content)
    places = [*range(begin), *(chance.randrange(begin, len(content)) for _ in range(60)), len(content) - 1]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << chance.randrange(8)
        with pytest.raises(BackupError):
            opened(bytes(changed))


def test_what_was_cut_added_or_moved_is_found() -> None:
    content = sealed(os.urandom(CHUNK_BYTES * 3 + 100))
    begin = head_of(content)
    chunks = [content[begin + SEALED * number : begin + SEALED * (number + 1)] for number in range(4)]
    head = content[:begin]
    wrong = {
        "cut in a chunk": content[:-50],
        "cut after a chunk": head + b"".join(chunks[:3]),
        "cut after the head": head,
        "a chunk left out": head + chunks[0] + chunks[2] + chunks[3],
        "two exchanged": head + chunks[1] + chunks[0] + chunks[2] + chunks[3],
        "one doubled": head + chunks[0] + chunks[0] + b"".join(chunks[1:]),
        "something added": content + b"x",
        "a chunk added": content + chunks[0],
    }
    found = {what for what, changed in wrong.items() if refused(changed)}
    assert found == wrong.keys()


def test_a_newer_format_and_another_file_are_told_apart() -> None:
    with pytest.raises(BackupError, match=r"b\.edged was written by a newer edged"):
        opened(b"edged backup 2\n" + sealed(b"x")[len(MAGIC) :])
    with pytest.raises(BackupError, match=r"b\.edged is no backup of edged"):
        opened(b"PK\x03\x04" + bytes(100))
    with pytest.raises(BackupError, match="is no backup of edged"):
        opened(b"")


@pytest.mark.parametrize(
    "change",
    [{"n": 1 << 30}, {"n": 1000}, {"n": 0}, {"p": 1 << 20}, {"p": 0}, {"r": 1 << 20}, {"kdf": "none"}, {"salt": ""},
     {"n": "x"}, {"more": 1}],
)  # fmt: skip
def test_a_head_that_would_exhaust_the_machine_or_seal_nothing_is_refused(change: dict[str, object]) -> None:
    content = sealed(b"x")
    begin = head_of(content)
    head = {**json.loads(content[len(MAGIC) : begin]), **change}
    with pytest.raises(BackupError, match="its second line was changed"):
        opened(MAGIC + json.dumps(head).encode() + b"\n" + content[begin:])
