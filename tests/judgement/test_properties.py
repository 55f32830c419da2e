"""What holds for every stream of observations, however odd."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from edged.events import Blink, Dwell, Gaze, Happening, Presence, envelope, event_id
from edged.judgement import judge as judging
from edged.observations import Box, Face, Observation, Pair, from_json, to_json
from edged.settings import JudgementSettings
from tests.judgement.scenarios import WALL_NS, Scene, judge

USED = JudgementSettings()
RUNS = trials(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.floats(-1e15, 1e15)  # thirty thousand years of milliseconds either way
angles = st.none() | st.floats(-90, 90) | st.sampled_from([0.0, -5.0, 20.0, -20.0, 60.0])
shares = st.floats(0, 1.5) | st.sampled_from([0.0, 0.1, 0.4, 1.0])
pairs = st.none() | st.builds(Pair, shares, shares)
faces = st.builds(
    Face,
    track=st.integers(0, 3),
    box=st.builds(Box, *[st.floats(-100, 1000)] * 4),
    score=st.floats(0, 1),
    yaw_degrees=angles,
    pitch_degrees=angles,
    roll_degrees=angles,
    eye_openness=pairs,
    eyes_seen=pairs,
    gaze_yaw_degrees=angles,
    gaze_pitch_degrees=angles,
    shown_gaze_yaw_degrees=angles,
    shown_gaze_pitch_degrees=angles,
)
WILD_FACES = st.builds(
    Face,
    track=st.integers(-(2**31), 2**31),
    box=st.builds(Box, numbers, numbers, numbers, numbers),
    score=numbers,
    yaw_degrees=st.none() | numbers,
    pitch_degrees=st.none() | numbers,
    roll_degrees=st.none() | numbers,
    eye_openness=st.none() | st.builds(Pair, numbers, numbers),
    eyes_seen=st.none() | st.builds(Pair, numbers, numbers),
    gaze_yaw_degrees=st.none() | numbers,
    gaze_pitch_degrees=st.none() | numbers,
)


def observation(frame: int, at_ms: float, seen: Sequence[Face]) -> Observation:
    return Observation(frame, frame + 1, at_ms, round(at_ms * 1e6), WALL_NS + frame * 10**7, 640, 480, tuple(seen))


@st.composite
def streams(draw: st.DrawFn) -> list[Observation]:
    """Runs of like frames with jumps in time between them: what cameras, files and pauses give."""
    found: list[Observation] = []
    at_ms = draw(st.floats(0, 1e6))
    for _ in range(draw(st.integers(1, 6))):
        step = draw(st.sampled_from([5.0, 16.7, 33.3, 66.7, 200.0]))
        seen = draw(st.lists(faces, max_size=3))
        for _ in range(draw(st.integers(1, 15))):
            at_ms += step
            found.append(observation(len(found), at_ms, seen))
        at_ms += draw(st.sampled_from([0.0, 0.0, 0.0, -50.0, -1e4, 700.0, 1e5]))
    return found


def blinks_of(happenings: list[Happening]) -> list[Blink]:
    return [one.body for one in happenings if isinstance(one.body, Blink)]


@RUNS
@given(st.lists(st.tuples(times, st.lists(WILD_FACES, max_size=3)), max_size=12))
def test_no_stream_raises(frames: list[tuple[float, list[Face]]]) -> None:
    state = judging.begin()
    for number, (at_ms, seen) in enumerate(frames):
        observed = Observation(number, number, at_ms, 0, number, 640, 480, tuple(seen))
        state = judging.observe(USED, state, observed).state
        judging.states(state)
        state = judging.elapse(USED, state, at_ms=at_ms, captured_ns=0, wall_ns=number).state


@RUNS
@given(streams())
def test_a_replay_is_identical_and_goes_through_a_file(stream: list[Observation]) -> None:
    first = judge(stream)
    again = judge([from_json(to_json(one)) for one in stream])
    assert first == again


@RUNS
@given(streams(), st.data())
def test_a_state_that_was_stored_goes_on_as_if_nothing_had_been(stream: list[Observation], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(stream)))
    whole = judge(stream)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(whole.states[cut]), type=judging.JudgementState)
    assert state == whole.states[cut]
    for number, observed in enumerate(stream[cut:], cut):
        state = judging.observe(USED, state, observed).state
        assert state == whole.states[number + 1]


def test_the_state_cannot_be_changed_in_place() -> None:
    state = judge(Scene().show(1.0).blink().show(1.0)).states[-1]
    for part in (state, state.presence, state.blink, state.gaze, state.drowsiness, state.summary):
        assert part.__struct_config__.frozen
        hash(part)


@RUNS
@given(streams())
def test_what_is_told_makes_sense(stream: list[Observation]) -> None:
    told = judge(stream)
    frames = {one.frame: one for one in stream}
    people, zone = 0, None
    for happening in told.happenings:
        body = happening.body
        assert happening.at_ms == frames[happening.frame].at_ms
        assert happening.wall_ns == frames[happening.frame].wall_ns
        first = getattr(body, "first_frame", 0)
        assert 0 <= first <= getattr(body, "last_frame", first) <= happening.frame
        if isinstance(body, Presence):
            assert body.change == ("arrived" if not people else "count" if body.people else "left")
            assert body.people != people
            people = body.people
            zone = zone if people else None
        elif isinstance(body, Gaze):
            assert people
            assert body.zone != zone
            assert body.previous == zone
            assert body.held_ms >= 0
            zone = body.zone
        elif isinstance(body, Dwell):
            assert people
            assert body.zone == zone
            assert zone not in ("away", "eyes_closed", None)
            assert body.held_ms >= USED.gaze.dwell_seconds * 1000
        elif isinstance(body, Blink):
            assert people
            assert body.duration_ms >= 0
            assert (body.image_side == "none") == (not body.gesture.startswith("wink"))
    for summary in told.summaries:
        assert summary.window_seconds >= USED.summary.window_seconds
        assert 0 <= summary.presence_percent <= 100
        assert summary.attention_percent is None or 0 <= summary.attention_percent <= 100.1
        assert summary.perclos_percent is None or 0 <= summary.perclos_percent <= 100


@RUNS
@given(streams())
def test_closures_do_not_overlap(stream: list[Observation]) -> None:
    told = judge(stream)
    spans = [(one.first_frame, one.last_frame) for one in blinks_of(told.happenings)]
    for (_, end), (begin, _) in itertools.pairwise(spans):
        assert begin >= end


def test_ids_are_uuids_of_version_7_that_sort_by_time_and_replay_alike() -> None:
    told = judge(Scene().show(2.0).blink().show(2.0, yaw=25.0).empty(3.0))
    payloads = [envelope(one, "front", number, b"") for number, one in enumerate(told.happenings, 1)]
    ids = [payload["id"] for payload in payloads]
    assert len(set(ids)) == len(ids) >= 5
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)
    for payload, happening in zip(payloads, told.happenings, strict=True):
        parsed = uuid.UUID(payload["id"])
        assert str(parsed) == payload["id"]
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert parsed.int >> 80 == happening.wall_ns // 1_000_000
        assert payload["at"].endswith("Z")
    assert ids == [envelope(one, "front", number, b"")["id"] for number, one in enumerate(told.happenings, 1)]
    assert ids[0] != envelope(told.happenings[0], "front", 1, b"another run")["id"]
    assert ids[0] != envelope(told.happenings[0], "back", 1, b"")["id"]


@given(st.integers(0, 2**48 * 10**6 - 1), st.binary(max_size=64))
def test_every_id_is_valid(wall_ns: int, entropy: bytes) -> None:
    parsed = uuid.UUID(event_id(wall_ns, entropy))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


@pytest.mark.parametrize("kind", ["blink", "gaze", "dwell", "presence"])
def test_payloads_carry_the_envelope_and_the_typed_fields(kind: str) -> None:
    told = judge(Scene().show(2.0).blink().show(1.0))
    payload = next(
        found
        for number, one in enumerate(told.happenings, 1)
        if (found := envelope(one, "front", number, b""))["kind"] == kind
    )
    assert {"id", "at", "camera", "kind", "seq", "v", "frame", "at_ms", "first_frame"} <= payload.keys()
    assert payload["v"] == 1
    assert msgspec.json.decode(msgspec.json.encode(payload)) == payload
