"""The file of one event's evidence: what is in it, and that no byte of it can be changed unnoticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.errors import EvidenceError
from edged.evidence import sealing
from edged.evidence.container import Opened, read_header, unpack
from tests.evidence.making import KEY, an_id, details, packed


def _what_is_wrong(content: bytes) -> list[str]:
    try:
        return unpack(content, KEY, "one.evidence").problems
    except EvidenceError as error:
        return [str(error)]


def test_what_was_sealed_comes_out_again() -> None:
    event = an_id()
    opened = unpack(packed(event, pictures=3), KEY, "one.evidence")
    assert opened.problems == []
    assert opened.details == details(event)
    assert [picture.jpeg for picture in opened.pictures] == [b"\xff\xd8 picture %d" % number for number in range(3)]
    assert [picture.frame for picture in opened.pictures] == [0, 1, 2]


def test_neither_pictures_nor_who_it_was_can_be_read_without_the_key() -> None:
    content = packed(an_id())
    assert b"picture 0" not in content
    assert b"anna" not in content
    assert b"spoof" not in content


def test_every_single_byte_counts() -> None:
    content = packed(an_id(), pictures=1)
    for place in range(len(content)):
        for flipped in (1, 0x20, 0x80):
            changed = bytearray(content)
            changed[place] ^= flipped
            found = _what_is_wrong(bytes(changed))
            assert found, f"bit {flipped:#x} of byte {place} was flipped, and nobody noticed"
            assert "one.evidence" in found[0]


def test_a_damaged_picture_is_named_and_the_others_are_still_there() -> None:
    content = bytearray(packed(an_id(), pictures=3))
    content[-1] ^= 1
    opened: Opened = unpack(bytes(content), KEY, "one.evidence")
    assert opened.problems == ["one.evidence: picture 3 was altered, or sealed with another key"]
    assert [picture.frame for picture in opened.pictures] == [0, 1]


def test_a_file_that_was_cut_or_grew_is_found() -> None:
    content = packed(an_id(), pictures=2)
    for changed in (content[:-1], content[: len(content) // 2], content[:30], b"", content + b"x"):
        assert _what_is_wrong(changed)


def test_parts_of_one_file_cannot_be_exchanged() -> None:
    content = packed(an_id(), pictures=2)
    length = len(b"\xff\xd8 picture 0") + sealing.TAG_BYTES
    swapped = content[: -2 * length] + content[-length:] + content[-2 * length : -length]
    assert len(_what_is_wrong(swapped)) == 2


def test_evidence_of_one_event_cannot_be_passed_off_as_anothers() -> None:
    one, other = an_id(), an_id()
    content = packed(one).replace(one.encode(), other.encode())
    assert _what_is_wrong(content) == [
        "one.evidence: nothing of it can be opened: its header was altered, or all of it"
    ]


def test_another_key_is_named_and_nothing_is_opened() -> None:
    other = os.urandom(32)
    with pytest.raises(EvidenceError) as refused:
        unpack(packed(an_id()), other, "one.evidence")
    assert sealing.key_name(other) in str(refused.value)
    assert sealing.key_name(KEY) in str(refused.value)
    assert other.hex() not in str(refused.value)


def test_the_key_of_a_file_opens_no_other_file() -> None:
    one, other = an_id(), an_id()
    assert sealing.file_key(KEY, bytes(16), one) != sealing.file_key(KEY, bytes(16), other)
    assert sealing.file_key(KEY, sealing.new_salt(), one) != sealing.file_key(KEY, sealing.new_salt(), one)


def test_the_header_can_be_read_without_a_key(tmp_path: Path) -> None:
    event = an_id()
    path = tmp_path / f"{event}.evidence"
    path.write_bytes(packed(event, pictures=4))
    header = read_header(path)
    assert (header.event, header.camera, header.kind, header.pictures) == (event, "front", "security", 4)
