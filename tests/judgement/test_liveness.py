"""Three witnesses for flesh: the network, the motion, a challenge."""

from __future__ import annotations

from typing import Any

import pytest

from edged.events import Alive
from edged.judgement.liveness import Answered, LivenessMemory, step
from edged.observations import Liveness
from edged.settings.verdicts import LivenessJudgementSettings
from tests.judgement.seats import LIVE, PRINTED, REPLAYED, UNSURE, Seated, person


def flat(look: Liveness, flatness: float = 0.95) -> Liveness:
    return Liveness(look.live, look.printed, look.replayed, flatness)


def judged(
    given: list[Liveness | None], passed: bool | None = None, *, blinked: bool = False, **changed: Any
) -> tuple[str, str | None, tuple[str, ...]]:
    """The verdict after these looks, one a second; passed: how a challenge ended before the last."""
    settings = LivenessJudgementSettings(**changed)
    memory = LivenessMemory()
    for number, look in enumerate(given):
        last = number == len(given) - 1
        memory, _ = step(
            settings, memory, [person(None, look)], blinked={1} if blinked else (),
            answered=Answered(1, passed) if last and passed is not None else None, at_ms=number * 1000.0, wall_ns=1,
        )  # fmt: skip
    track = memory.of(1)
    assert track is not None
    return track.verdict, track.attack, track.witnesses


@pytest.mark.parametrize(
    ("given", "passed", "verdict", "attack", "witnesses"),
    [
        ([None], None, "undecided", None, ()),
        ([LIVE] * 2, None, "undecided", None, ()),
        ([LIVE] * 3, None, "live", None, ("network",)),
        ([PRINTED] * 3, None, "spoof", "print", ("network",)),
        ([REPLAYED] * 3, None, "spoof", "replay", ("network",)),
        ([UNSURE] * 9, None, "undecided", None, ()),
        # The mean counts: one bad picture among good ones is none.
        ([LIVE, LIVE, REPLAYED, LIVE, LIVE], None, "live", None, ("network",)),
        # The old is forgotten: seven looks later it is the picture that is held up now.
        ([*[LIVE] * 20, *[PRINTED] * 7], None, "spoof", "print", ("network",)),
        # Motion.
        ([flat(UNSURE)] * 3, None, "spoof", "flat", ("motion",)),
        ([flat(LIVE)] * 3, None, "undecided", None, ()),
        ([flat(LIVE, 0.5)] * 3, None, "live", None, ("network",)),
        ([flat(PRINTED)] * 3, None, "spoof", "print", ("network", "motion")),
        ([flat(LIVE), flat(LIVE), LIVE], None, "live", None, ("network",)),
        # A challenge.
        ([UNSURE] * 3, True, "live", None, ("challenge",)),
        ([None] * 3, True, "live", None, ("challenge",)),
        ([LIVE] * 3, True, "live", None, ("network", "challenge")),
        ([flat(LIVE)] * 3, True, "live", None, ("network", "challenge")),
        ([flat(UNSURE)] * 3, True, "live", None, ("challenge",)),
        ([PRINTED] * 3, True, "spoof", "print", ("network",)),
        ([UNSURE] * 3, False, "undecided", None, ()),
        ([LIVE] * 3, False, "live", None, ("network",)),
        ([flat(UNSURE)] * 3, False, "spoof", "flat", ("motion",)),
    ],
)
def test_the_verdict_of_the_witnesses(
    given: list[Liveness | None], passed: bool | None, verdict: str, attack: str | None, witnesses: tuple[str, ...]
) -> None:
    assert judged(given, passed) == (verdict, attack, witnesses)


@pytest.mark.parametrize("given", [[None] * 3, [UNSURE] * 3, [LIVE] * 3])
def test_a_failed_challenge_may_be_made_a_spoof(given: list[Liveness | None]) -> None:
    assert judged(given, False, failed_challenge="spoof") == ("spoof", "challenge", ("challenge",))
    assert judged(given, True, failed_challenge="spoof")[0] == "live"


def test_a_blink_is_a_witness_only_beside_another() -> None:
    assert judged([LIVE] * 3, blinked=True) == ("live", None, ("network", "blinks"))
    assert judged([UNSURE] * 3, blinked=True) == ("undecided", None, ())
    assert judged([flat(LIVE)] * 3, blinked=True) == ("undecided", None, ())


def test_a_passed_challenge_ends_in_time_and_what_the_network_said_does_not() -> None:
    seconds = 400
    assert judged([None, None, LIVE, LIVE, LIVE, *[None] * seconds], memory_seconds=60)[0] == "live"
    memory, settings = LivenessMemory(), LivenessJudgementSettings(challenge_valid_seconds=30)
    found = []
    for second in range(60):
        answered = Answered(1, True) if second == 5 else None
        memory, _ = step(settings, memory, [person()], blinked=(), answered=answered, at_ms=second * 1000.0, wall_ns=1)
        track = memory.of(1)
        assert track is not None
        found.append(track.verdict)
    assert found == ["undecided"] * 5 + ["live"] * 31 + ["undecided"] * 24


def test_the_event_names_witnesses_and_score() -> None:
    seated = Seated().show(2.0, person(None, LIVE)).show(2.0, person(None, REPLAYED))
    live, unsure, spoof = seated.of(Alive)
    assert (live.verdict, live.score, live.witnesses, live.previous) == ("live", 0.95, ["network"], "undecided")
    assert (unsure.verdict, unsure.score, unsure.attack) == ("undecided", None, None)
    assert (spoof.verdict, spoof.attack, spoof.witnesses, spoof.previous) == (
        "spoof",
        "replay",
        ["network"],
        "undecided",
    )
    assert seated.states["liveness"]["attack"] == "replay"


def test_another_face_begins_anew() -> None:
    seated = Seated().show(2.0, person(None, LIVE)).show(1.0, person(track=2))
    assert seated.states["liveness"]["verdict"] == "undecided"
    assert seated.show(5.0).states["liveness"]["verdict"] is None
