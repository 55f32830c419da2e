"""A name is given by votes, and taken back when the evidence turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.events import Who
from edged.judgement.identity import IdentityMemory, step
from edged.observations import Identity
from edged.settings.verdicts import IdentitySettings
from tests.judgement.seats import Seated, known, person, strange

ANNA, BELA = known("anna"), known("bela")


def verdicts(seated: Seated) -> list[tuple[str, str | None]]:
    return [(one.verdict, one.person or one.stranger) for one in seated.of(Who)]


def looks(*given: Identity | None, settings: IdentitySettings | None = None, every_seconds: float = 1.0) -> list[str]:
    """The verdicts after each look, one a second."""
    memory, found = IdentityMemory(), []
    for number, look in enumerate(given):
        memory, _ = step(
            settings or IdentitySettings(), memory, [person(look)], at_ms=number * every_seconds * 1000, wall_ns=1
        )
        track = memory.of(1)
        assert track is not None
        found.append(track.person or track.verdict)
    return found


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ([], None),
        ([ANNA], "undecided"),
        ([ANNA, ANNA], "undecided"),
        ([ANNA, ANNA, ANNA], "anna"),
        ([ANNA, None, None, ANNA, None, ANNA], "anna"),
        ([strange(), strange(), strange()], "unknown"),
        ([ANNA, BELA, ANNA, BELA, ANNA, BELA], "undecided"),
        ([ANNA, BELA, ANNA, ANNA, ANNA], "anna"),
        # Two people who are as near as each other: the look speaks for nobody.
        ([known("anna", 0.7, 0.68)] * 9, "undecided"),
        ([known("anna", 0.7, 0.64)] * 3, "anna"),
        # The threshold is the model's own.
        ([known("anna", 0.39)] * 3, "unknown"),
        ([known("anna", 0.40)] * 3, "anna"),
        # Nobody is enrolled.
        ([Identity(None, 0.0, 0.4, 0.9)] * 3, "unknown"),
        # Pictures that are worth nothing.
        ([known("anna", quality=0.1)] * 9, "undecided"),
        # Given, and taken back: by three in a row against it, at once the other's.
        ([*[ANNA] * 9, BELA], "anna"),
        ([*[ANNA] * 9, BELA, BELA], "anna"),
        ([*[ANNA] * 9, BELA, BELA, BELA], "bela"),
        ([*[ANNA] * 9, strange(), strange(), strange()], "unknown"),
        ([*[ANNA] * 9, BELA, strange(), BELA], "undecided"),
        ([*[ANNA] * 9, *[known("anna", 0.7, 0.68)] * 3], "undecided"),
        # ... by too few that still speak for it, though never three in a row do not.
        ([*[ANNA] * 3, *[BELA, BELA, ANNA] * 3], "undecided"),
        # A stranger who is known after all.
        ([*[strange()] * 3, *[ANNA] * 3], "anna"),
    ],
)
def test_the_verdict_after_these_looks(given: list[Identity | None], verdict: str | None) -> None:
    found = looks(*given)
    assert (found[-1] if found else None) == verdict


def test_a_name_that_no_look_speaks_for_any_more_is_taken_back_in_time() -> None:
    settings = IdentitySettings(memory_seconds=60)
    assert looks(*[ANNA] * 3, *[None] * 56, settings=settings)[-1] == "anna"
    assert looks(*[ANNA] * 3, *[None] * 64, settings=settings)[-1] == "undecided"


def test_the_event_says_who_and_how_sure_and_is_told_once() -> None:
    seated = Seated().show(3.0, person(ANNA))
    (event,) = seated.of(Who)
    assert (event.verdict, event.person, event.previous, event.previous_person) == ("known", "anna", "undecided", None)
    assert (event.similarity, event.threshold, event.looks, event.track) == (0.7, 0.4, 4, 1)
    assert seated.states["identity"]["person"] == "anna"
    assert seated.states["identity"]["since"] == "2023-11-14T22:13:20.200Z"


def test_the_same_stranger_has_one_name_and_a_better_one_later() -> None:
    seated = Seated().show(1.0, person(strange())).show(1.0, person(strange("unknown-3"))).show(2.0, person(BELA))
    assert verdicts(seated) == [("unknown", None), ("unknown", "unknown-3"), ("known", "bela")]


def test_how_near_an_unknown_face_is_to_those_who_are_enrolled_is_said_or_nothing() -> None:
    empty = Identity(None, -1.0, 0.4, 0.9)
    alone = Identity("unknown-3", 0.9, 0.4, 0.9, stranger=True)
    beside = Identity("unknown-3", 0.9, 0.4, 0.9, 0.1, stranger=True)
    for look, said in ((empty, None), (alone, None), (beside, 0.1), (strange(), 0.2)):
        (event,) = Seated().show(2.0, person(look)).of(Who)
        assert (event.verdict, event.similarity) == ("unknown", said)


def test_who_comes_back_as_another_track_is_recognised_anew() -> None:
    seated = Seated().show(2.0, person(ANNA)).show(0.5).show(0.2, person(None, track=2))
    assert seated.states["identity"]["verdict"] == "undecided"
    seated.show(1.0, person(ANNA, track=2))
    assert verdicts(seated) == [("known", "anna"), ("known", "anna")]


def test_a_face_that_is_gone_is_forgotten_and_nobody_has_a_name() -> None:
    seated = Seated().show(2.0, person(ANNA)).show(5.0)
    assert seated.states["identity"] == {
        "verdict": None, "person": None, "stranger": None, "faces": [], "since": "2023-11-14T22:13:23.500Z",
    }  # fmt: skip
    seated.show(1.0, person())
    assert seated.states["identity"]["verdict"] == "undecided"


def test_every_face_has_its_own_votes() -> None:
    seated = Seated().show(2.0, person(ANNA), person(strange("unknown-1"), track=2, size=50.0))
    assert [(each["track"], each["person"] or each["stranger"]) for each in seated.states["identity"]["faces"]] == [
        (1, "anna"), (2, "unknown-1"),
    ]  # fmt: skip


def test_nothing_is_said_of_identity_where_nobody_is_recognised() -> None:
    assert "identity" not in Seated().show(2.0, person()).states


ANY_LOOK = st.sampled_from([ANNA, BELA, strange(), strange("unknown-1"), known("anna", 0.7, 0.69), None])


@given(st.lists(ANY_LOOK, max_size=40))
def test_a_name_is_never_given_without_enough_looks_for_it(given: list[Identity | None]) -> None:
    settings = IdentitySettings()
    for name in ("anna", "bela"):
        if sum(look is not None and look.person == name for look in given) < settings.looks:
            assert name not in looks(*given)


@given(st.lists(ANY_LOOK, max_size=40))
def test_three_looks_for_somebody_else_end_every_name(given: list[Identity | None]) -> None:
    assert looks(*given, BELA, BELA, BELA)[-1] != "anna"
