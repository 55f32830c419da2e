"""The seat's policy as a table: what is seen, for how long, and what follows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from edged.events import Seat
from edged.judgement import judge as judging
from edged.judgement.security import ORDER, Blocked, Surroundings
from edged.observations import Face
from edged.settings.security import SecuritySettings
from tests.judgement.scenarios import WALL_NS
from tests.judgement.seats import LIVE, PHONE, PRINTED, REPLAYED, Seated, known, person, secured, strange

ANNA = person(known("anna"), LIVE)
STRANGER = person(strange("unknown-2"), LIVE)
PHOTO = person(known("anna"), PRINTED)
FILM = person(known("anna"), REPLAYED)
UNSEEN = person()
BESIDE = person(strange(), LIVE, track=2, size=40.0)


def test_no_policy_no_verdict() -> None:
    seated = Seated().show(30.0).show(5.0, FILM)
    assert seated.of(Seat) == []
    assert "security" not in seated.states


@pytest.mark.parametrize(
    ("shown", "verdict", "actions", "delay"),
    [
        # faces and things, the verdict, what is recommended, and after how long (patience and debounce together)
        (((), {}), "nobody", ["lock"], 10.0),
        (((ANNA,), {}), "right_user", [], 0.7),
        (((STRANGER,), {}), "wrong_user", ["lock"], 2.2),
        (((PHOTO,), {}), "spoof", ["sign_out", "alert"], 0.8),
        (((FILM,), {}), "spoof", ["sign_out", "alert"], 0.8),
        (((UNSEEN,), {}), "undecided", ["lock"], 20.3),
        (((ANNA, BESIDE), {}), "several_faces", ["warn"], 2.3),
        (((ANNA,), {"things": [PHONE]}), "phone", ["sign_out"], 1.1),
        (((), {"blocked": True}), "camera_blocked", ["lock"], 5.0),
    ],
)
def test_what_is_seen_becomes_this_verdict_after_its_patience(
    shown: tuple[tuple[Face, ...], dict[str, Any]], verdict: str, actions: list[str], delay: float
) -> None:
    faces, more = shown
    seated = Seated(secured()).show(25.0, *faces, **more)
    at, event = next((at, each) for at, each in seated.told if isinstance(each, Seat) and each.verdict == verdict)
    assert at == pytest.approx(delay, abs=0.35)
    assert event.actions == actions
    assert msgspec.to_builtins(event.do) == {
        each: each in actions for each in ("warn", "lock", "sign_out", "block", "alert")
    }
    assert event.safe == (verdict == "right_user")
    assert seated.verdicts[-1] == verdict


@pytest.mark.parametrize("verdict", [each for each in ORDER if each not in ("blocked", "right_user")])
def test_each_rule_has_its_own_patience_and_actions(verdict: str) -> None:
    settings = secured(**{verdict: {"after_seconds": 7.0, "actions": ["alert", "warn"]}})
    seated = Seated(settings).show(4.0, ANNA)
    shows: dict[str, tuple[tuple[Face, ...], dict[str, Any]]] = {
        "nobody": ((), {}), "spoof": ((FILM,), {}), "wrong_user": ((STRANGER,), {}), "undecided": ((UNSEEN,), {}),
        "several_faces": ((ANNA, BESIDE), {}), "phone": ((ANNA,), {"things": [PHONE]}),
        "camera_blocked": ((), {"blocked": True}), "camera_gone": ((), {}), "model_missing": ((ANNA,), {}),
        "broker_gone": ((ANNA,), {}),
    }  # fmt: skip
    seated.around = {
        "camera_gone": Surroundings(camera="unplugged"),
        "model_missing": Surroundings(missing=("recognition",)),
        "broker_gone": Surroundings(broker=False),
    }.get(verdict, Surroundings())
    faces, more = shows[verdict]
    if verdict == "undecided":
        seated.show(2.0)  # who was known is gone, and somebody else's back is seen
        faces = (person(track=5),)
    seated.show(6.5, *faces, **more)
    assert verdict not in seated.verdicts
    seated.show(4.0, *faces, **more)
    event = seated.of(Seat)[-1]
    assert (event.verdict, event.actions) == (verdict, ["alert", "warn"])
    assert event.held_ms == pytest.approx(7000, abs=100)


def test_a_break_begins_the_patience_anew() -> None:
    seated = Seated(secured()).show(3.0, ANNA)
    for _ in range(5):
        seated.show(9.0).show(1.0, ANNA)
    assert seated.verdicts == ["right_user"]


def test_a_day_at_the_desk() -> None:
    seated = Seated(secured()).show(5.0, ANNA)
    seated.show(15.0)  # leaves
    seated.show(5.0, person(strange("unknown-1"), LIVE, track=2))  # a stranger
    seated.show(12.0)
    seated.show(5.0, person(known("anna"), PRINTED, track=3))  # holds up her photograph
    seated.show(12.0)
    seated.show(3.0, person(known("anna"), LIVE, track=4))  # she is back
    seated.show(3.0, person(known("anna"), LIVE, track=4), things=[PHONE])
    assert seated.timed == [
        (0.8, "right_user"), (16.5, "nobody"), (22.3, "wrong_user"), (36.5, "nobody"), (37.8, "spoof"),
        (53.5, "nobody"), (54.8, "right_user"), (58.1, "phone"),
    ]  # fmt: skip


def test_the_worst_of_several_counts() -> None:
    seated = Seated(secured()).show(5.0, FILM, BESIDE, things=[PHONE])
    assert seated.verdicts[-1] == "spoof"
    reasons = [each.what for each in seated.of(Seat)[-1].reasons]
    assert reasons[0] == "the face is no live one"
    assert "a phone is held up" in reasons


def test_only_the_nearest_face_is_the_sitter() -> None:
    poster = person(known("bela"), PRINTED, track=2, size=30.0)
    seated = Seated(secured(several_faces={"actions": ["none"]})).show(5.0, ANNA, poster)
    assert "spoof" not in seated.verdicts
    assert "wrong_user" not in seated.verdicts


def test_who_is_enrolled_but_may_not_sit_here_is_a_wrong_user() -> None:
    seated = Seated(secured(right_people=["bela", "cleo"])).show(5.0, ANNA)
    assert seated.verdicts == ["wrong_user"]
    assert seated.of(Seat)[0].reasons[0].what == "anna is not of judgement.security.right_people"
    assert Seated(secured(right_people=["bela", "anna"])).show(5.0, ANNA).verdicts == ["right_user"]
    assert Seated(secured(right_people=["Bela", " ANNA"])).show(5.0, ANNA).verdicts == ["right_user"]


@pytest.mark.parametrize("before", [STRANGER, FILM])
def test_who_comes_after_a_stranger_or_a_picture_has_a_patience_of_their_own(before: Face) -> None:
    seated = (
        Seated(secured()).show(40.0, before).show(2.0, person(track=2)).show(2.0, person(known("anna"), LIVE, track=2))
    )
    assert len(seated.verdicts) == 2
    assert seated.verdicts[-1] == "right_user"
    never_known = Seated(secured()).show(40.0, before).show(19.0, person(track=2))
    assert len(never_known.verdicts) == 1
    assert never_known.show(3.0, person(track=2)).verdicts[-1] == "undecided"


def test_who_takes_over_from_another_right_person_is_told_and_named() -> None:
    seated = Seated(secured(right_people=["anna", "bela"])).show(3.0, ANNA)
    seated.show(1.0).show(3.0, person(known("bela"), LIVE, track=2))
    assert [(one.verdict, one.person) for one in seated.of(Seat)] == [("right_user", "anna"), ("right_user", "bela")]
    assert seated.states["security"]["person"] == "bela"
    seated.show(5.0, person(known("bela"), LIVE, track=2))
    assert len(seated.verdicts) == 2
    # Who may not sit here is none of them, not even for the patience of the wrong user.
    seated.show(1.5, person(known("carl"), LIVE, track=3))
    assert [one.person for one in seated.of(Seat)] == ["anna", "bela"]


def test_anybody_may_be_right_but_no_photograph() -> None:
    anybody = secured(require="anybody")
    assert Seated(anybody).show(5.0, UNSEEN).verdicts == ["right_user"]
    assert Seated(anybody).show(5.0, PHOTO).verdicts[-1] == "spoof"


def test_where_life_is_required_not_to_be_a_spoof_is_not_enough() -> None:
    not_asked = person(known("anna"))
    assert Seated(secured()).show(30.0, not_asked).verdicts == ["right_user"]
    assert Seated(secured(require_live=True)).show(30.0, not_asked).verdicts == ["undecided"]
    assert Seated(secured(require_live=True)).show(30.0, ANNA).verdicts == ["right_user"]


def test_somebody_who_is_now_this_and_now_that_does_not_stay_for_ever() -> None:
    seated = Seated(secured()).show(3.0, ANNA)
    for number in range(10):
        seated.show(1.4, person(track=10 + number)).show(1.4, person(strange(), track=10 + number))
    assert "undecided" in seated.verdicts


BLOCKING = {"spoof": {"after_seconds": 0.5, "actions": ["sign_out", "block"]}}


class TestMemory:
    """A block lasts until it is released."""

    def test_a_block_outlasts_its_reason_and_the_right_person(self) -> None:
        seated = Seated(secured(**BLOCKING)).show(3.0, FILM)
        assert seated.verdicts == ["spoof", "blocked"]
        assert [one.actions for one in seated.of(Seat)][-2:] == [["sign_out", "block"], ["lock"]]
        seated.show(60.0).show(10.0, person(known("anna"), LIVE, track=2))
        assert seated.verdicts[-1] == "blocked"
        state = seated.states["security"]
        assert (state["verdict"], state["safe"], state["blocked"], state["blocked_by"]) == (
            "blocked",
            False,
            True,
            "spoof",
        )

    def test_released_it_is_judged_anew(self) -> None:
        seated = Seated(secured(**BLOCKING)).show(3.0, FILM).show(10.0, person(known("anna"), LIVE, track=2))
        seated.release()
        assert seated.states["security"]["blocked"] is False
        assert seated.show(3.0, person(known("anna"), LIVE, track=2)).verdicts[-1] == "right_user"

    def test_unlocking_does_not_release_it(self) -> None:
        seated = Seated(secured(**BLOCKING)).show(3.0, FILM).unlock().show(5.0, ANNA)
        assert seated.states["security"]["blocked"] is True
        assert seated.states["security"]["verdict"] == "blocked"

    def test_a_block_from_before_counts_from_the_first_moment(self) -> None:
        seated = Seated(secured(grace_seconds=30))
        seated.state = judging.begin(seated.settings, Blocked("spoof", WALL_NS))
        assert seated.states["security"]["blocked"] is True
        assert seated.show(3.0, ANNA).verdicts == ["blocked"]
        assert seated.of(Seat)[0].actions == ["lock"]

    def test_a_block_holds_also_out_of_hours(self) -> None:
        seated = Seated(secured(**BLOCKING, schedules=["daily 18:00-08:00 off"])).show(3.0, FILM)
        seated.around = Surroundings(0, 20 * 60)
        assert seated.show(3.0, ANNA).verdicts[-1] == "blocked"

    @pytest.mark.parametrize("mode", ["enforce", "watch", "off"])
    def test_a_block_of_before_locks_in_every_mode(self, mode: str) -> None:
        seated = Seated(secured(mode=mode))
        seated.state = judging.begin(seated.settings, Blocked("spoof", WALL_NS))
        seated.show(3.0, ANNA)
        assert [(one.verdict, one.actions) for one in seated.of(Seat)] == [("blocked", ["lock"])]


class TestGrace:
    """After an unlock only what may not wait counts."""

    def test_at_the_start_nobody_is_locked_out_while_they_sit_down(self) -> None:
        seated = Seated(secured(grace_seconds=30)).show(29.0)
        assert seated.verdicts == []
        assert seated.states["security"]["grace"] is True
        assert seated.show(2.0).verdicts == ["nobody"]

    @pytest.mark.parametrize(
        ("faces", "more", "verdict"),
        [((), {}, ""), ((STRANGER,), {}, ""), ((ANNA,), {"things": [PHONE]}, "right_user"), ((FILM,), {}, "spoof")],
    )
    def test_what_counts_within_it(self, faces: tuple[Face, ...], more: dict[str, Any], verdict: str) -> None:
        seated = Seated(secured(grace_seconds=30)).show(15.0, *faces, **more)
        assert (seated.verdicts or [""])[-1] == verdict

    def test_an_unlock_is_judged_anew_after_the_grace(self) -> None:
        seated = Seated(secured(grace_seconds=5)).show(20.0, STRANGER)
        assert seated.verdicts == ["wrong_user"]
        seated.unlock()
        assert seated.states["security"]["verdict"] == "starting"
        assert seated.show(4.5, STRANGER).verdicts == ["wrong_user"]
        assert seated.show(2.0, STRANGER).verdicts == ["wrong_user", "wrong_user"]

    def test_who_is_back_may_type_the_password(self) -> None:
        seated = Seated(secured(grace_seconds=8)).show(25.0).show(2.0, ANNA)
        assert seated.verdicts == ["nobody", "right_user"]
        assert seated.states["security"]["grace"] is True
        # ... but a photograph is none of it.
        assert seated.show(3.0, FILM).verdicts[-1] == "spoof"


class TestFailSafe:
    """What is done when camera, model or broker is gone is a setting; these are the defaults."""

    def test_the_camera(self) -> None:
        seated = Seated(secured()).show(3.0, ANNA)
        seated.around = Surroundings(camera="the camera is unplugged")
        seated.nothing(9.0)
        assert seated.verdicts == ["right_user"]
        assert seated.states["security"]["pending"] == "camera_gone"
        seated.nothing(2.0)
        event = seated.of(Seat)[-1]
        assert (event.verdict, event.actions, event.witnesses) == ("camera_gone", ["lock"], ["health"])
        assert event.reasons[0].what == "the camera is unplugged"
        assert (event.person, event.track) == (None, None)

    def test_the_camera_that_never_came(self) -> None:
        seated = Seated(secured())
        seated.around = Surroundings(camera="no camera")
        assert seated.nothing(12.0).verdicts == ["camera_gone"]

    def test_a_model(self) -> None:
        seated = Seated(secured())
        seated.around = Surroundings(missing=("recognition",))
        event = seated.show(8.0, UNSEEN).of(Seat)[-1]
        assert (event.verdict, event.actions) == ("model_missing", ["lock", "alert"])
        assert event.reasons[0].what == "not running: recognition"

    def test_the_broker(self) -> None:
        seated = Seated(secured()).show(3.0, ANNA)
        seated.around = Surroundings(broker=False)
        seated.show(59.0, ANNA)
        assert seated.verdicts == ["right_user"]
        event = seated.show(3.0, ANNA).of(Seat)[-1]
        assert (event.verdict, event.actions) == ("broker_gone", [])
        # What else happens meanwhile is judged all the same, and told when the broker is back.
        assert seated.show(5.0, FILM).verdicts[-1] == "spoof"

    def test_it_can_be_set_otherwise(self) -> None:
        seated = Seated(
            secured(camera_gone={"actions": ["none"]}, broker_gone={"after_seconds": 5, "actions": ["lock"]})
        )
        seated.around = Surroundings(camera="unplugged", broker=False)
        seated.nothing(6.0)
        assert seated.of(Seat)[-1].actions == ["lock"]
        seated.nothing(6.0)
        assert (seated.of(Seat)[-1].verdict, seated.of(Seat)[-1].actions) == ("camera_gone", [])

    def test_a_lens_at_which_nobody_looks_any_more_is_not_covered_for_ever(self) -> None:
        seated = Seated(secured()).show(6.0, blocked=True)
        assert seated.verdicts == ["camera_blocked"]
        assert seated.show(45.0).verdicts == ["camera_blocked", "nobody"]


class TestSchedules:
    """Hours of the week, each in its mode."""

    @pytest.mark.parametrize(
        ("weekday", "minute", "verdicts", "actions"),
        [
            (0, 9 * 60, ["wrong_user"], [["lock"]]),
            (0, 17 * 60 + 59, ["wrong_user"], [["lock"]]),
            (0, 18 * 60, ["wrong_user"], [[]]),
            (5, 9 * 60, ["off"], [[]]),
            (6, 23 * 60 + 59, ["off"], [[]]),
            (2, 12 * 60 + 30, ["off"], [[]]),
            (None, 0, ["wrong_user"], [[]]),
        ],
    )
    def test_the_first_that_fits_counts(
        self, weekday: int | None, minute: int, verdicts: list[str], actions: list[list[str]]
    ) -> None:
        schedules = ["wed 12:00-13:00 off", "mon-fri 08:00-18:00 enforce", "sat,sun 00:00-24:00 off"]
        seated = Seated(secured(mode="watch", schedules=schedules))
        seated.around = Surroundings(weekday, minute)
        seated.show(5.0, STRANGER)
        assert [one.verdict for one in seated.of(Seat)] == verdicts
        assert [one.actions for one in seated.of(Seat)] == actions

    def test_when_the_hour_comes_what_holds_is_told_anew_with_its_actions(self) -> None:
        seated = Seated(secured(mode="watch", schedules=["daily 08:00-18:00 enforce"]))
        seated.around = Surroundings(0, 8 * 60 - 1)
        seated.show(5.0, STRANGER)
        seated.around = Surroundings(0, 8 * 60)
        seated.show(1.0, STRANGER)
        assert [(one.mode, one.actions) for one in seated.of(Seat)] == [("watch", []), ("enforce", ["lock"])]

    def test_watched_only_nothing_is_blocked(self) -> None:
        seated = Seated(secured(mode="watch", spoof={"actions": ["block"]})).show(3.0, FILM)
        assert seated.verdicts[-1] == "spoof"
        assert seated.states["security"]["blocked"] is False


ACTS = st.sampled_from(["anna", "stranger", "film", "nobody", "two", "phone", "blind", "covered"])


@trials(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(ACTS, st.floats(0.1, 15.0)), max_size=12))
def test_whatever_is_played_it_is_safe_only_with_the_right_verdict_and_replays_to_the_same(
    acts: list[tuple[str, float]],
) -> None:
    def play() -> Seated:
        seated = Seated(secured(wrong_user={"actions": ["block"]}), fps=4.0)
        for act, seconds in acts:
            if act == "blind":
                seated.around = Surroundings(camera="gone")
                seated.nothing(seconds)
                seated.around = Surroundings()
                continue
            faces: dict[str, tuple[Face, ...]] = {
                "anna": (ANNA,), "stranger": (STRANGER,), "film": (FILM,), "two": (ANNA, BESIDE), "phone": (ANNA,),
            }  # fmt: skip
            seated.show(
                seconds, *faces.get(act, ()), things=[PHONE] if act == "phone" else None, blocked=act == "covered"
            )
            state = seated.states["security"]
            assert state["safe"] == (state["verdict"] == "right_user" and not state["blocked"])
        return seated

    first, again = play(), play()
    assert first.told == again.told
    blocked = [one.blocked for one in first.of(Seat)]
    assert blocked == sorted(blocked)  # once blocked, always blocked: nothing that is seen releases it
    for one in first.of(Seat):
        assert one.safe == (one.verdict == "right_user" and not one.blocked)


def test_every_rule_of_the_settings_is_a_verdict_and_has_its_place_in_the_order() -> None:
    assert set(SecuritySettings().rules()) == set(ORDER)
