"""Who is who from frame to frame: ids through occlusions, crossings, absences and cuts."""

from __future__ import annotations

import pytest

from edged.inference.tracking import TrackIds, overlap
from edged.observations import Box


def box(x: float, y: float = 100.0, size: float = 100.0) -> Box:
    return Box(x, y, size, size)


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(box(0), box(0)) == 1
    assert overlap(box(0), box(50)) == pytest.approx(1 / 3)
    assert overlap(box(0), box(100)) == 0
    assert overlap(box(0), box(0, 300)) == 0
    assert overlap(Box(0, 0, 0, 0), box(0)) == 0


def test_ids_count_from_one_and_stay() -> None:
    ids = TrackIds(2.0)
    assert ids.match([box(0), box(300)], 0.0) == [1, 2]
    assert ids.match([box(305), box(4)], 0.1) == [2, 1]
    assert ids.match([box(8), box(310), box(600)], 0.2) == [1, 2, 3]


def test_a_hidden_face_keeps_its_id_for_as_long_as_set() -> None:
    for seconds, expected in ((1.9, 1), (2.1, 2)):
        ids = TrackIds(2.0)
        ids.match([box(100)], 0.0)
        ids.forget(seconds)
        assert ids.identify(box(120), seconds, []) == expected


def test_another_place_or_size_is_another_person() -> None:
    for other in (box(700), box(100, size=300), box(100, size=40)):
        ids = TrackIds(5.0)
        ids.match([box(100)], 0.0)
        assert ids.identify(other, 0.5, []) == 2


def test_the_longer_hidden_the_further_away_a_face_may_come_back() -> None:
    for seconds, expected in ((0.2, 2), (1.5, 1)):
        ids = TrackIds(5.0)
        ids.match([box(100)], 0.0)
        assert ids.identify(box(220), seconds, []) == expected


def test_the_nearest_hidden_face_comes_back() -> None:
    ids = TrackIds(5.0)
    ids.match([box(100), box(200)], 0.0)
    assert ids.identify(box(190), 0.5, []) == 2
    assert ids.identify(box(110), 0.5, [2]) == 1
    assert ids.identify(box(150), 0.5, [1, 2]) == 3


def test_faces_that_pass_each_other_keep_their_ids() -> None:
    """Two cross the picture a little apart in height, one a bit larger; each is nearest to where it was."""
    ids = TrackIds(2.0)
    assert ids.match([box(0, 100), box(500, 140, 120)], 0.0) == [1, 2]
    for frame in range(1, 26):
        there = [box(20.0 * frame, 100), box(500 - 20.0 * frame, 140, 120)]
        order = there if frame % 2 else there[::-1]
        expected = [1, 2] if frame % 2 else [2, 1]
        assert ids.match(order, frame / 30) == expected


def test_the_best_pairs_are_matched_whatever_the_order_of_the_faces() -> None:
    ids = TrackIds(2.0)
    ids.match([box(0), box(60)], 0.0)
    # The first of these overlaps track 1 more than track 2, but the second overlaps nothing else.
    assert ids.match([box(25), box(5)], 0.1) == [2, 1]


def test_after_a_cut_nobody_is_known() -> None:
    ids = TrackIds(60.0)
    ids.match([box(0), box(300)], 0.0)
    ids.cut()
    assert list(ids.known()) == []
    assert ids.match([box(0), box(300)], 0.033) == [3, 4]
