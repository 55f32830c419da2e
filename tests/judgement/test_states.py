"""What the state topics say at each point, and time that does not run as it should."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from edged.events import Blink, Drowsy
from edged.judgement import judge as judging
from tests.judgement.scenarios import WALL_NS, Scene, face, judge


def at_second(scene: Scene, second: float) -> dict[str, dict[str, Any]]:
    told = judge(scene)
    frame = round(second * scene.fps)
    states: dict[str, dict[str, Any]] = msgspec.to_builtins(judging.states(told.states[frame + 1]))
    return states


def seconds_of(since: str) -> float:
    """Seconds since the scene began."""
    return datetime.fromisoformat(since.replace("Z", "+00:00")).timestamp() - WALL_NS / 1e9


SCENE = Scene(30).empty(1.0).show(3.0).show(2.0, yaw=25.0).show(2.0, openness=0.02).show(2.0).empty(3.0)
# 0 nobody, 1 a face, 1.3 arrived, 4 left, 4.15 told, 6 shut, 6.5 told, 8 open, 10 gone, 11.5 left


@pytest.mark.parametrize(
    ("second", "presence_since", "zone", "zone_since", "closed", "eyes_since"),
    [
        (0.0, 0, None, 0, None, 0),
        (1.2, 0, None, 0, None, 0),
        (2.0, 1, "at_screen", 1, False, 1.3),
        (5.0, 1, "left", 4, False, 1.3),
        (6.3, 1, "left", 4, False, 1.3),
        (7.0, 1, "eyes_closed", 6, True, 6),
        (9.0, 1, "at_screen", 8, False, 8.15),
        (11.0, 1, "at_screen", 8, False, 8.15),
        (12.0, 10, None, 10, None, 11.5),
    ],
)
def test_states_at_every_point(
    second: float,
    presence_since: float,
    zone: str | None,
    zone_since: float,
    closed: bool | None,
    eyes_since: float,
) -> None:
    presence, gaze, eyes = (at_second(SCENE, second)[aspect] for aspect in ("presence", "gaze", "eyes"))
    someone = zone is not None
    assert (presence["someone"], presence["people"]) == (someone, int(someone))
    assert (gaze["zone"], gaze["image_side"]) == (zone, "right" if zone == "left" else "none")
    assert (gaze["yaw_degrees"] is None) == (not someone)
    assert (eyes["closed"], eyes["drowsy"]) == (closed, False)
    for state, since in ((presence, presence_since), (gaze, zone_since), (eyes, eyes_since)):
        assert seconds_of(state["since"]) == pytest.approx(since, abs=0.05)


def test_a_face_without_eyes_is_not_said_to_look_anywhere_for_ever() -> None:
    # The iris stage switched off while the eyes were shut, and on again three seconds after they were forgotten.
    unseen = face(left=None, right=None, seen=None, yaw=None, pitch=None)
    scene = Scene(30).show(3.0).show(2.0, openness=0.02)
    for _ in scene.frames(6.0):
        scene.add(unseen)
    scene.show(2.0)

    before, after, back = at_second(scene, 7.0), at_second(scene, 9.0), at_second(scene, 12.0)
    assert (before["gaze"]["zone"], before["eyes"]["closed"]) == ("eyes_closed", True)
    assert (after["gaze"]["zone"], after["eyes"]["closed"], after["presence"]["someone"]) == (None, None, True)
    assert seconds_of(after["gaze"]["since"]) == pytest.approx(8, abs=0.05)
    assert seconds_of(after["eyes"]["since"]) == pytest.approx(8, abs=0.05)
    assert (back["gaze"]["zone"], back["eyes"]["closed"]) == ("at_screen", False)
    assert judge(scene).zones == ["at_screen", "eyes_closed", "at_screen"]


def test_nobody_stays_drowsy_whose_eyes_are_not_seen() -> None:
    unseen = face(left=None, right=None, seen=None, yaw=None, pitch=None)
    scene = Scene(10).show(40.0).show(30.0, openness=0.02)
    for _ in scene.frames(80.0):
        scene.add(unseen)
    assert at_second(scene, 69.0)["eyes"]["drowsy"] is True
    assert at_second(scene, 75.0)["eyes"]["drowsy"] is True
    assert at_second(scene, 149.0)["eyes"]["drowsy"] is False
    assert [one.drowsy for one in judge(scene).of(Drowsy)] == [True, False]


def test_before_the_first_observation_nothing_is_known() -> None:
    states = msgspec.to_builtins(judging.states(judging.begin()))
    assert states["presence"] == {"someone": False, "people": 0, "since": "1970-01-01T00:00:00.000Z"}
    assert states["gaze"]["zone"] is None
    assert states["eyes"]["closed"] is None


def test_angles_shown_are_those_of_the_primary_face() -> None:
    gaze = at_second(Scene().show(2.0, yaw=7.0), 1.0)["gaze"]
    assert (gaze["yaw_degrees"], gaze["pitch_degrees"]) == (7.0, -5.0)


def test_time_that_stands_still_changes_nothing() -> None:
    scene = Scene().show(2.0)
    scene.observations += [scene.observations[-1]] * 50
    assert judge(scene).dwells == ["at_screen"]
    still = [msgspec.structs.replace(one, at_ms=0.0) for one in Scene().show(2.0).observations]
    assert judge(still).happenings == []


def test_a_stream_that_begins_anew_is_judged_on() -> None:
    """A file whose reader was replaced starts again at 0."""
    first, second = Scene().show(60.0), Scene().empty(2.0).show(2.0).blink(0.2).show(1.0)
    told = judge([*first.observations, *second.observations])
    assert told.changes == [("arrived", 1), ("left", 0), ("arrived", 1)]
    assert told.gestures == ["single"]
    blink = told.of(Blink)[0]
    assert 4000 <= next(one.at_ms for one in told.happenings if one.body is blink) <= 5200
    assert told.zones == ["at_screen", "at_screen"]
    assert [one.window_seconds for one in told.summaries] == [pytest.approx(10.0, abs=1)] * 6


def test_what_was_on_its_way_when_a_stream_begins_anew_ends_there() -> None:
    first, second = Scene().show(2.0).show(0.2, openness=0.05), Scene().show(2.0)
    assert judge([*first.observations, *second.observations]).gestures == []


def test_frames_that_come_a_little_out_of_order_are_taken_as_they_come() -> None:
    scene = Scene().show(2.0).blink(0.3).show(2.0)
    shuffled = list(scene.observations)
    for index in range(0, len(shuffled) - 1, 7):
        shuffled[index], shuffled[index + 1] = shuffled[index + 1], shuffled[index]
    told = judge(shuffled)
    assert told.gestures == ["single"]
    assert told.zones == ["at_screen"]
    assert told.states[-1].offset_ms == 0
