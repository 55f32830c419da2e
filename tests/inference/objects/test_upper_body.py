"""Where is looked twice, and whose a thing is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.inference.finder import FoundFace
from edged.inference.objects.detector import Sighting
from edged.inference.objects.upper_body import joined, things, windows
from edged.observations import Box

WIDTH, HEIGHT = 640, 480
FACE = FoundFace(1, Box(300, 100, 40, 50), 0.9)


def test_the_upper_body_of_somebody_who_stands_is_looked_at_again() -> None:
    (window,) = windows([Box(280, 60, 100, 360)], [], WIDTH, HEIGHT, 2)
    assert window.left <= 280
    assert window.right >= 380
    assert window.top < 60
    assert window.bottom < 240


def test_who_fills_the_picture_was_seen_as_well_as_can_be() -> None:
    assert windows([Box(20, 0, 600, 480)], [], WIDTH, HEIGHT, 2) == []


def test_a_face_without_a_person_has_an_upper_body_too() -> None:
    (window,) = windows([], [FACE], WIDTH, HEIGHT, 2)
    assert window.left < 300 - 40
    assert window.bottom > 100 + 2 * 50


def test_a_face_within_a_person_is_not_looked_at_twice() -> None:
    assert len(windows([Box(270, 80, 120, 300)], [FACE], WIDTH, HEIGHT, 5)) == 1


def test_the_largest_are_looked_at_first_and_no_more_than_asked() -> None:
    people = [Box(0, 100, 60, 200), Box(200, 50, 150, 400), Box(500, 100, 80, 200)]
    found = windows(people, [], WIDTH, HEIGHT, 2)
    assert len(found) == 2
    assert found[0].left <= 200 < found[0].right
    assert windows(people, [], WIDTH, HEIGHT, 0) == []


boxes = st.builds(Box, st.floats(-200, 800), st.floats(-200, 700), st.floats(1, 900), st.floats(1, 900))


@given(st.lists(boxes, max_size=5), st.lists(boxes, max_size=3))
def test_windows_lie_within_the_picture_and_are_never_empty(people: list[Box], faces: list[Box]) -> None:
    found = windows(people, [FoundFace(n, box, 0.9) for n, box in enumerate(faces, 1)], WIDTH, HEIGHT, 3)
    assert len(found) <= 3
    for window in found:
        assert 0 <= window.left < window.right <= WIDTH
        assert 0 <= window.top < window.bottom <= HEIGHT


@given(st.lists(boxes, max_size=6), st.lists(boxes, max_size=3))
def test_told_things_lie_within_the_picture_and_no_face_has_two_bodies(people: list[Box], faces: list[Box]) -> None:
    seen = [Sighting("person", 0.9 - n / 10, box) for n, box in enumerate(people)]
    inside = [one for one in seen if one.box.x < WIDTH and one.box.y < HEIGHT and one.box.x + one.box.width > 0]
    inside = [one for one in inside if one.box.y + one.box.height > 0]
    told = things(inside, [FoundFace(n, box, 0.9) for n, box in enumerate(faces, 1)], WIDTH, HEIGHT)
    tracks = [one.track for one in told if one.track is not None]
    assert len(tracks) == len(set(tracks))
    for one in told:
        assert one.box.x >= 0
        assert one.box.x + one.box.width <= WIDTH + 0.1
        assert one.box.width >= 0
        assert one.box.height >= 0


def test_the_same_phone_seen_in_the_whole_and_in_a_window_is_one() -> None:
    whole = Sighting("cell phone", 0.4, Box(100, 100, 20, 40))
    window = Sighting("cell phone", 0.7, Box(101, 102, 18, 36))
    other = Sighting("cell phone", 0.3, Box(300, 100, 20, 40))
    assert joined([whole, window, other]) == [window, other]


def test_a_phone_at_an_ear_is_that_faces_and_one_far_off_is_nobodys() -> None:
    ear = Sighting("cell phone", 0.6, Box(342, 110, 12, 25))
    table = Sighting("cell phone", 0.5, Box(20, 440, 30, 20))
    by_label = {one.score: one for one in things([ear, table], [FACE], WIDTH, HEIGHT)}
    assert by_label[0.6].track == 1
    assert by_label[0.5].track is None


def test_a_phone_between_two_faces_is_the_nearer_ones() -> None:
    other = FoundFace(2, Box(400, 100, 40, 50), 0.9)
    (phone,) = things([Sighting("cell phone", 0.6, Box(385, 120, 10, 20))], [FACE, other], WIDTH, HEIGHT)
    assert phone.track == 2


def test_a_person_whose_face_is_not_seen_has_no_track() -> None:
    with_face, without = Box(260, 80, 120, 300), Box(450, 80, 120, 300)
    told = things([Sighting("person", 0.8, without), Sighting("person", 0.9, with_face)], [FACE], WIDTH, HEIGHT)
    assert [(one.score, one.track) for one in told] == [(0.9, 1), (0.8, None)]
