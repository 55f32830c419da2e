"""Health as a pure function: named situations and what is said of them."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from edged.daemon.health import START_SECONDS, ChildCondition, Condition, Verdict, is_hot, judge_health
from edged.messages import CaptureReport, InferenceReport

CAPTURE = ChildCondition("capture", running=True)
INFERENCE = ChildCondition("inference", running=True)
WELL = Condition(
    paused=False,
    children=(CAPTURE, INFERENCE),
    capture=CaptureReport("streaming", "toy"),
    inference=InferenceReport("litert", ["detection"], [], []),
    observed_ago=0.05,
    started_ago=100.0,
    streaming_ago=90.0,
    hot=False,
    warm_celsius=80.0,
    throttling=(),
)


def but(**changes: object) -> Verdict:
    return judge_health(dataclasses.replace(WELL, **changes))  # type: ignore[arg-type]


def test_all_is_well() -> None:
    assert judge_health(WELL) == Verdict("ok", ())


def test_just_started() -> None:
    verdict = but(
        children=(ChildCondition("capture", running=False), ChildCondition("inference", running=False)),
        capture=None, inference=None, observed_ago=None, started_ago=0.5, streaming_ago=None,
    )  # fmt: skip
    assert verdict.status == "starting"


def test_the_camera_streams_while_inference_still_loads() -> None:
    verdict = but(children=(CAPTURE, ChildCondition("inference", running=False)), observed_ago=None, started_ago=5.0)
    assert verdict == Verdict("starting", ("inference is starting",))


def test_a_camera_that_opens_for_ever() -> None:
    assert but(capture=None, observed_ago=None, started_ago=START_SECONDS + 1).status == "no_camera"


def test_a_lost_camera_is_said_at_once_even_while_frames_are_fresh() -> None:
    verdict = but(capture=CaptureReport("lost", "toy", reason="unplugged (plug it in)"))
    assert verdict.status == "no_camera"
    assert verdict.reasons[0].startswith("unplugged (plug it in)")


def test_another_attempt_at_a_lost_camera_changes_nothing() -> None:
    lost = but(capture=CaptureReport("lost", "toy", reason="unplugged"), observed_ago=1.0)
    again = but(capture=CaptureReport("opening", "toy", reason="unplugged"), observed_ago=1.0)
    assert lost == again


def test_a_camera_that_is_back_but_has_shown_nothing_yet() -> None:
    assert but(observed_ago=30.0, streaming_ago=0.3).status == "starting"


def test_the_camera_streams_and_nothing_comes_of_it() -> None:
    verdict = but(observed_ago=2.0)
    assert verdict.status == "stalled"
    assert "command/restart" in verdict.reasons[0]


def test_one_replacement_is_no_news_while_frames_are_fresh() -> None:
    dying = ChildCondition(
        "inference", running=False, waiting=True, trouble="inference was ended by SIGKILL", in_a_row=1
    )
    assert but(children=(CAPTURE, dying)).status == "ok"
    assert but(children=(CAPTURE, dying), observed_ago=3.0).status == "stalled"


def test_inference_that_keeps_dying() -> None:
    dying = ChildCondition(
        "inference", running=False, waiting=True, trouble="inference was ended by SIGSEGV", in_a_row=4
    )
    verdict = but(children=(CAPTURE, dying), observed_ago=20.0)
    assert verdict.status == "stalled"
    assert len(verdict.reasons) == 1
    assert "keeps failing" in verdict.reasons[0]
    assert "SIGSEGV" in verdict.reasons[0]


def test_inference_that_keeps_dying_between_some_frames_is_degraded() -> None:
    limping = dataclasses.replace(INFERENCE, trouble="inference was ended by SIGSEGV", in_a_row=4)
    assert but(children=(CAPTURE, limping)).status == "degraded"


def test_a_capture_process_that_keeps_dying_is_no_camera() -> None:
    dying = ChildCondition("capture", running=False, waiting=True, trouble="capture was ended by SIGSEGV", in_a_row=3)
    assert but(children=(dying, INFERENCE), capture=None, observed_ago=9.0).status == "no_camera"


def test_a_missing_package_is_said_in_its_own_words() -> None:
    hopeless = ChildCondition(
        "capture", running=False, waiting=True, trouble="capture: no picamera2 (apt install it)", in_a_row=1, final=True
    )
    verdict = but(children=(hopeless, INFERENCE), capture=None, observed_ago=None)
    assert verdict == Verdict("no_camera", ("capture: no picamera2 (apt install it)",))


def test_everything_that_is_wrong_is_said() -> None:
    verdict = but(
        inference=InferenceReport("litert", [], ["iris_landmark"], ["the board is too slow"]),
        hot=True,
        throttling=("under-voltage",),
        bus_warnings=("the broker does not let us subscribe",),
    )
    assert verdict.status == "degraded"
    assert len(verdict.reasons) == 5
    assert any("edged models pull" in reason for reason in verdict.reasons)
    assert any("power supply" in reason for reason in verdict.reasons)


def test_paused_is_no_trouble_and_says_how_to_go_on() -> None:
    verdict = but(paused=True, capture=CaptureReport("lost", "toy", reason="released"), observed_ago=99.0)
    assert verdict.status == "paused"
    assert "command/resume" in verdict.reasons[0]


def test_a_source_that_ended_is_not_stalled() -> None:
    assert but(capture=CaptureReport("ended", "clip"), observed_ago=5.0).status == "ok"


def test_heat_has_hysteresis() -> None:
    assert not is_hot(80.0, 80.0, was_hot=False)
    assert is_hot(80.1, 80.0, was_hot=False)
    assert is_hot(78.0, 80.0, was_hot=True)
    assert not is_hot(76.9, 80.0, was_hot=True)
    assert not is_hot(None, 80.0, was_hot=True)


seconds = st.one_of(st.none(), st.floats(0, 1e6))
child = st.builds(
    ChildCondition,
    st.sampled_from(["capture", "inference"]),
    running=st.booleans(), waiting=st.booleans(), trouble=st.sampled_from(["", "it died"]),
    in_a_row=st.integers(0, 20), final=st.booleans(),
)  # fmt: skip
report = st.builds(
    CaptureReport,
    st.sampled_from(["opening", "streaming", "lost", "ended"]),
    st.just("toy"),
    st.sampled_from(["", "why"]),
)


@given(
    paused=st.booleans(), children=st.lists(child, max_size=3).map(tuple), capture=st.one_of(st.none(), report),
    observed_ago=seconds, started_ago=st.floats(0, 1e6), streaming_ago=seconds, hot=st.booleans(),
)  # fmt: skip
def test_whatever_is_not_ok_has_a_reason(**changes: object) -> None:
    verdict = but(**changes)
    assert bool(verdict.reasons) == (verdict.status != "ok")
    assert all(reason.strip() for reason in verdict.reasons)
    assert len(set(verdict.reasons)) == len(verdict.reasons)
