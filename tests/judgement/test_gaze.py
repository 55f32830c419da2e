"""Gaze zones, dwells, and what each person's straight-ahead look is."""

from __future__ import annotations

import pytest

from edged.events import Dwell, Gaze
from edged.observations import Box
from tests.judgement.scenarios import SCREEN_PITCH, Scene, blink_curve, face, judge, settings

FIXED = settings("gaze", auto_centre=False)


def looks(**angles: float) -> Scene:
    """Two seconds at the screen, then two elsewhere."""
    return Scene().show(2.0).show(2.0, **angles)


@pytest.mark.parametrize(
    ("angles", "zone", "image_side"),
    [
        ({"yaw": 20.0}, "left", "right"),
        ({"yaw": -20.0}, "right", "left"),
        ({"pitch": 15.0}, "up", "none"),
        ({"pitch": -25.0}, "down", "none"),
        ({"head_yaw": 50.0}, "away", "none"),
        ({"head_yaw": -50.0}, "away", "none"),
        ({"head_pitch": -50.0}, "away", "none"),
        ({"yaw": 20.0, "pitch": 10.0}, "left", "right"),
        ({"yaw": 14.0, "pitch": 19.0}, "up", "none"),
    ],
)
def test_zones_are_the_sitters_own(angles: dict[str, float], zone: str, image_side: str) -> None:
    told = judge(looks(**angles))
    assert told.zones == ["at_screen", zone]
    gaze = told.of(Gaze)[1]
    assert (gaze.previous, gaze.image_side, gaze.first_frame) == ("at_screen", image_side, 60)
    assert gaze.held_ms == pytest.approx(2000, abs=1)
    assert told.last["gaze"]["zone"] == zone
    assert told.last["gaze"]["since"] == "2023-11-14T22:13:22.000Z"
    assert told.dwells == ["at_screen"] + ([zone] if zone != "away" else [])


@pytest.mark.parametrize(
    ("name", "angles"),
    [
        ("side_degrees", {"yaw": 15.0}),
        ("side_degrees", {"yaw": -15.0}),
        ("up_degrees", {"pitch": SCREEN_PITCH + 15.0}),
        ("down_degrees", {"pitch": SCREEN_PITCH - 15.0}),
        ("away_degrees", {"head_yaw": 50.0}),
    ],
)
def test_where_zones_begin_is_a_setting(name: str, angles: dict[str, float]) -> None:
    wider = {name: 60.0}
    assert len(judge(looks(**angles)).zones) == 2
    assert judge(looks(**angles), settings("gaze", **wider)).zones == ["at_screen"]


def test_where_the_screen_is_is_a_setting() -> None:
    scene = Scene().show(2.0, yaw=20.0, pitch=15.0)
    used = settings("gaze", auto_centre=False, centre_yaw_degrees=20, centre_pitch_degrees=15)
    assert judge(scene, FIXED).zones != ["at_screen"]
    assert judge(scene, used).zones == ["at_screen"]
    assert judge(Scene().show(2.0, yaw=20.0), settings("gaze", auto_centre=False, centre_yaw_degrees=20)).zones == [
        "at_screen"
    ]


def test_a_gaze_at_the_edge_does_not_flutter() -> None:
    def wavering(now: float) -> float:
        return 13.0 if round(now * 30) % 20 < 10 else 10.5

    scene = Scene().show(2.0).show(4.0, yaw=wavering).show(1.0)
    assert judge(scene, FIXED).zones == ["at_screen", "left", "at_screen"]
    assert len(judge(scene, settings("gaze", auto_centre=False, hysteresis_degrees=0)).zones) > 5


def test_a_head_at_the_edge_of_away_does_not_flutter() -> None:
    scene = Scene().show(2.0)
    for number in range(12):
        scene.show(0.3, head_yaw=46.0 if number % 2 else 43.0)
    assert judge(scene.show(1.0), FIXED).zones == ["at_screen", "away", "at_screen"]
    assert len(judge(scene, settings("gaze", auto_centre=False, hysteresis_degrees=0)).zones) > 5


@pytest.mark.parametrize("edges", [{"side_degrees": 2}, {"side_degrees": 12}, {"away_degrees": 10}])
def test_a_hysteresis_wider_than_the_zone_still_lets_gaze_out(edges: dict[str, float]) -> None:
    used = settings("gaze", auto_centre=False, hysteresis_degrees=20, **edges)
    scene = Scene().show(1.0).show(1.0, yaw=30.0).show(1.0).show(1.0, head_yaw=60.0).show(1.0)
    assert judge(scene, used).zones == ["at_screen", "left", "at_screen", "away", "at_screen"]
    scene = Scene().show(1.0).show(1.0, yaw=30.0).show(1.0, yaw=-30.0)
    assert judge(scene, used).zones == ["at_screen", "left", "right"]


def test_a_zone_must_hold_before_it_is_told() -> None:
    scene = Scene().show(2.0).show(0.1, yaw=25.0).show(1.0)
    assert judge(scene, FIXED).zones == ["at_screen"]
    quick = settings("gaze", auto_centre=False, settle_seconds=0)
    assert judge(scene, quick).zones == ["at_screen", "left", "at_screen"]
    slow = settings("gaze", auto_centre=False, settle_seconds=1.5)
    assert judge(Scene().show(3.0).show(1.0, yaw=25.0).show(1.0), slow).zones == ["at_screen"]


@pytest.mark.parametrize("fps", [5, 15, 30, 60])
def test_settling_takes_the_same_time_at_any_rate(fps: int) -> None:
    told = judge(Scene(fps).show(2.0).show(1.0, yaw=25.0), FIXED)
    assert told.zones == ["at_screen", "left"]
    assert told.at(Gaze)[1] - 2.0 == pytest.approx(0.15, abs=1 / fps + 1e-3)
    assert told.of(Gaze)[1].first_frame == 2 * fps


def test_a_saccade_through_a_zone_is_not_told() -> None:
    scene = Scene(60).show(2.0).show(0.07, yaw=lambda now: 400 * now).show(1.0, yaw=0.0, pitch=15.0)
    assert judge(scene, FIXED).zones == ["at_screen", "up"]
    scene = Scene(60).show(1.0, yaw=-25.0).show(0.1, yaw=lambda now: -25 + 500 * now).show(1.0, yaw=25.0)
    assert judge(scene, FIXED).zones == ["right", "left"]


def test_a_blink_in_the_middle_of_a_look_does_not_change_its_zone() -> None:
    """Lids that sink drag the iris's place along, before and after the moment at which gaze is no more read."""

    def dragged(now: float) -> float:
        return SCREEN_PITCH - 60 * (1 - blink_curve(0.3)(now))

    scene = Scene(60).show(2.0, yaw=25.0)
    scene.show(0.3, openness=blink_curve(0.3), yaw=25.0, pitch=dragged).show(2.0, yaw=25.0)
    told = judge(scene, FIXED)
    assert told.zones == ["left"]
    assert told.dwells == ["left"]


def test_a_look_that_changes_during_a_blink_is_told_after_it() -> None:
    told = judge(Scene().show(2.0).blink(0.3, yaw=25.0).show(1.0, yaw=25.0), FIXED)
    assert told.zones == ["at_screen", "left"]
    assert told.at(Gaze)[1] < 2.55


def test_lids_held_low_are_a_look_and_not_a_blink() -> None:
    """Looking down at a keyboard lowers the lids below what a steady eye shows, for as long as it lasts."""
    told = judge(Scene().show(2.0).show(2.0, openness=0.5, pitch=-30.0).show(1.0), FIXED)
    assert told.zones == ["at_screen", "down", "at_screen"]
    assert told.of(Gaze)[1].first_frame == pytest.approx(72, abs=2)


def test_eyes_shut_for_long_are_a_zone_of_their_own() -> None:
    scene = Scene().show(2.0).show(0.7, openness=0.05).show(1.0)
    told = judge(scene, FIXED)
    assert told.zones == ["at_screen", "eyes_closed", "at_screen"]
    assert told.at(Gaze)[1] == pytest.approx(2.5, abs=0.05)
    closed = told.of(Gaze)[1]
    assert closed.first_frame == 60
    later = settings("gaze", auto_centre=False, closed_seconds=0.8)
    assert judge(scene, later).zones == ["at_screen"]
    assert judge(Scene().show(2.0).blink(0.4).show(1.0), FIXED).zones == ["at_screen"]


def test_a_dwell_is_told_once_per_holding() -> None:
    scene = Scene().show(5.0).show(0.5, yaw=25.0).show(3.0)
    told = judge(scene, FIXED)
    assert told.dwells == ["at_screen", "at_screen"]
    assert [one.first_frame for one in told.of(Dwell)] == [0, 165]
    assert told.at(Dwell) == [pytest.approx(1.0, abs=0.04), pytest.approx(6.5, abs=0.04)]
    later = settings("gaze", auto_centre=False, dwell_seconds=4)
    assert judge(scene, later).dwells == ["at_screen"]


def test_glancing_elsewhere_does_not_interrupt_a_dwell() -> None:
    told = judge(Scene().show(0.6).show(0.1, yaw=25.0).show(0.6), FIXED)
    assert told.dwells == ["at_screen"]
    assert told.at(Dwell) == [pytest.approx(1.0, abs=0.05)]


def test_there_is_no_dwelling_away_or_with_closed_eyes() -> None:
    told = judge(Scene().show(3.0, head_yaw=60.0).show(3.0, openness=0.02), FIXED)
    assert told.zones == ["away", "eyes_closed"]
    assert told.dwells == []


def test_an_absence_is_not_dwelled_through() -> None:
    # The camera is paused before the dwelling time is over: what was looked at meanwhile nobody knows.
    told = judge(Scene().show(0.7).pause(60.0).show(0.5), FIXED)
    assert told.dwells == []
    told = judge(Scene().show(0.7).pause(60.0).show(1.5), FIXED)
    assert told.dwells == ["at_screen"]
    assert told.of(Dwell)[0].held_ms == pytest.approx(1000, abs=40)


def test_a_change_from_before_an_absence_settles_anew() -> None:
    told = judge(Scene().show(1.0).show(0.1, yaw=25.0).pause(60.0).show(0.1, yaw=25.0).show(1.0), FIXED)
    assert told.zones == ["at_screen"]


def test_each_person_dwells_for_themselves() -> None:
    scene = Scene().show(0.7).show(0.7, track=2)
    assert judge(scene, FIXED).dwells == []
    told = judge(scene.show(0.7, track=2), FIXED)
    assert [one.track for one in told.of(Dwell)] == [2]


def test_the_first_look_is_taken_for_the_screen() -> None:
    scene = Scene().show(2.0, yaw=8.0, pitch=-20.0)
    scene.show(1.0, yaw=22.0, pitch=-20.0).show(1.0, yaw=-6.0, pitch=-20.0).show(1.0, yaw=8.0, pitch=-36.0)
    assert judge(scene).zones == ["at_screen", "left", "right", "down"]
    assert judge(scene, FIXED).zones[0] == "down"


def test_nobody_moves_the_screen_further_than_the_limits() -> None:
    assert judge(Scene().show(3.0, yaw=30.0)).zones == ["left"]
    assert judge(Scene().show(3.0, pitch=50.0)).zones == ["up"]


def test_the_centre_follows_slowly_and_only_while_on_the_screen() -> None:
    # A minute of slumping by 9 degrees is followed, so that 9 more to that side are still at the screen…
    scene = Scene(5).show(2.0).show(60.0, yaw=lambda now: 0.15 * now).show(60.0, yaw=9.0).show(2.0, yaw=18.0)
    assert judge(scene).zones == ["at_screen"]
    assert judge(scene, FIXED).zones == ["at_screen", "left"]
    # … but a minute to the left does not make left the screen.
    assert judge(Scene(5).show(2.0).show(60.0, yaw=20.0).show(2.0)).zones == ["at_screen", "left", "at_screen"]


def test_another_person_has_a_centre_of_their_own() -> None:
    scene = Scene().show(2.0, yaw=9.0).show(2.0, track=2, yaw=-9.0)
    assert judge(scene).zones == ["at_screen"]


def test_the_zone_before_arrival_is_told_at_arrival() -> None:
    told = judge(Scene().empty(1.0).show(2.0, yaw=30.0))
    assert told.changes == [("arrived", 1)]
    assert told.at(Gaze) == [pytest.approx(1.3, abs=0.04)]
    assert told.of(Gaze)[0].first_frame == 30
    assert (told.of(Gaze)[0].previous, told.of(Gaze)[0].held_ms) == (None, 0.0)


def test_who_is_back_after_leaving_is_told_anew() -> None:
    told = judge(Scene().show(2.0).empty(3.0).show(2.0))
    assert told.zones == ["at_screen", "at_screen"]
    assert told.of(Gaze)[1].previous is None


@pytest.mark.parametrize("missing", [{"yaw": None}, {"pitch": None}, {"head_yaw": None, "head_pitch": None}])
def test_missing_angles_say_nothing(missing: dict[str, None]) -> None:
    scene = Scene()
    for _ in range(60):
        scene.add(face(**missing))  # type: ignore[arg-type]
    zones = judge(scene).zones
    assert zones == (["at_screen"] if "head_yaw" in missing else [])


def test_other_faces_show_the_zone_of_their_own_moment() -> None:
    from edged.judgement import judge as judging
    from edged.observations import Observation
    from edged.settings import JudgementSettings

    scene = Scene().show(1.0)
    others = (
        face(track=2, size=50, yaw=25.0),
        face(track=3, size=50, left=0.1, right=0.1),
        face(track=4, size=50, head_yaw=60.0),
        face(track=5, size=50, yaw=None),
    )
    state = judge(scene).states[-1]
    last = Observation(30, 31, 1000.0, 0, 0, 640, 480, (face(), *others))
    outcome = judging.observe(JudgementSettings(), state, last)
    assert [one.zone for one in outcome.faces] == ["at_screen", "left", "eyes_closed", "away", None]


def test_somebody_who_walks_in_does_not_teach_where_the_screen_is() -> None:
    scene = Scene()
    for step in range(20):  # a face width in a fifth of a second, eyes on the way
        scene.add(face(yaw=-40.0, pitch=-35.0, box=Box(-60.0 + 14 * step, 100.0, 120.0, 160.0)))
    for yaw in (0.0, 20.0):
        for _ in range(60):
            scene.add(face(yaw=yaw, pitch=SCREEN_PITCH, box=Box(206.0, 100.0, 120.0, 160.0)))
    told = judge(scene)
    assert told.zones == ["at_screen", "left"]
