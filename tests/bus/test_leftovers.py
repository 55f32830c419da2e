from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.bus.leftovers import Leftovers, parse

PUBACK_OK = bytes([0x40, 2, 0, 7])
PUBACK_REFUSED = bytes([0x40, 3, 1, 4, 135])
PUBLISH = bytes([0x30, 0x83, 0x01]) + bytes(131)
DISCONNECT = bytes([0xE0, 1, 0x8E])


def test_answers_and_the_farewell_are_found_among_other_packets() -> None:
    data = PUBLISH + PUBACK_OK + PUBACK_REFUSED + PUBLISH + DISCONNECT
    assert parse(data) == Leftovers([(7, 0), (260, 135)], 0x8E)


def test_a_bare_disconnect_is_a_normal_one() -> None:
    assert parse(bytes([0xE0, 0])).disconnect == 0


def test_a_torn_last_packet_is_passed_over() -> None:
    whole = PUBACK_OK + PUBACK_REFUSED
    for length in range(len(PUBACK_OK), len(whole)):
        assert parse(whole[:length]).answers == [(7, 0)]


@given(st.binary(max_size=64))
def test_nothing_raises(data: bytes) -> None:
    parse(data)
