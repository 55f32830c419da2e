"""What one analysed frame showed: the only thing that leaves the inference process.

Axes and signs. Everything is in the *unmirrored* picture: x grows to the viewer's right, y down,
in pixels of the analysed frame. Angles are the sitter's own: yaw is positive when the sitter turns
to their own left (the viewer's right), pitch is positive upwards, roll is positive when the head
tips towards the sitter's own left shoulder. Zero is straight into the camera. `left` and `right`
are always the sitter's own.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Box(NamedTuple):
    """A rectangle in pixels of the analysed frame: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float


class Pair(NamedTuple):
    """One value for each of the sitter's own eyes."""

    left: float
    right: float


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """One look-up in the gallery: what the embedding of this frame says, before judgement votes.

    person: the nearest enrolled person's name, or the nearest cluster of strangers (`unknown-3`); None: the gallery is
    empty. similarity: cosine, -1..1, of the best embedding; runner_up: of the best one of anybody else. threshold: the
    model file's operating threshold. quality: 0..1, of the picture. stranger: `person` names a cluster.
    """

    person: str | None
    similarity: float
    threshold: float
    quality: float
    runner_up: float | None = None
    stranger: bool = False


class Liveness(msgspec.Struct, frozen=True, omit_defaults=True):
    """One look of the spoof detector: probabilities that sum to 1.

    flatness: 0..1, how well a plane explains the way the landmarks have moved lately; None: they hardly moved.
    """

    live: float
    printed: float
    replayed: float
    flatness: float | None = None


class Thing(msgspec.Struct, frozen=True, omit_defaults=True):
    """A thing that the object detector saw. label: COCO's name. score: 0..1. track: the face it is near to, if any."""

    label: str
    score: float
    box: Box
    track: int | None = None


class Face(msgspec.Struct, frozen=True, omit_defaults=True):
    """One face. Fields of a stage that is switched off or could not see are `None`.

    track: stable id of this face while it is in view, counted from 1.
    score: 0..1, the landmark model's belief that this is a face (the detector's without landmarks).
    yaw/pitch/roll_degrees: head pose, see the module's signs.
    eye_aspect_ratio: lid opening over eye width (Soukupova and Cech 2016, on the iris model's eye contour).
    eye_openness: eye_aspect_ratio over this person's own open level: 0 shut, 1 open.
    gaze_yaw/pitch_degrees: where the eyes point relative to the camera, raw.
    shown_*: the same, one-euro smoothed, for people to look at; judgement uses the raw values.
    eyes_seen: how well each eye can be seen, 0..1: turned away or covered eyes sink.
    identity, liveness: on the frames where they were asked, else None. attributes: what models of the registry say of
    the face, e.g. {"mask": 0.93}; only those there is a model for.
    zone: filled by judgement when an observation is written for people; ignored when replayed.
    """

    track: int
    box: Box
    score: float
    yaw_degrees: float | None = None
    pitch_degrees: float | None = None
    roll_degrees: float | None = None
    eye_aspect_ratio: Pair | None = None
    eye_openness: Pair | None = None
    eyes_seen: Pair | None = None
    eye_gaze_yaw_degrees: Pair | None = None
    eye_gaze_pitch_degrees: Pair | None = None
    gaze_yaw_degrees: float | None = None
    gaze_pitch_degrees: float | None = None
    shown_gaze_yaw_degrees: float | None = None
    shown_gaze_pitch_degrees: float | None = None
    zone: str | None = None
    identity: Identity | None = None
    liveness: Liveness | None = None
    attributes: dict[str, float] | None = None


class Observation(msgspec.Struct, frozen=True, omit_defaults=True, tag="observation", tag_field="type"):
    """One analysed frame.

    frame: the source's own frame number in decode order (files, sitter) or the capture sequence number.
    sequence: capture's strictly increasing number; gaps are frames nobody analysed.
    at_ms: stream time in milliseconds: position in a file, monotonic clock for a live camera.
    captured_ns: CLOCK_MONOTONIC when capture got the frame. wall_ns: UTC at the same moment.
    width, height: of the analysed frame, pixels.
    motion: the motion gate looked and found the scene changing.
    detector_ran: the detector was asked on this frame.
    stage_ms: milliseconds of wall time each stage took on this frame.
    things: what the object detector saw; None: it was not asked on this frame. blocked: the picture shows next to
    nothing, as with a hand or a cap before the lens; None: not looked at.
    landmarks: per track, 468 + 2 x 71 eye contour + 2 x 5 iris points as x, y pixels; only when streamed.
    """

    frame: int
    sequence: int
    at_ms: float
    captured_ns: int
    wall_ns: int
    width: int
    height: int
    faces: tuple[Face, ...] = ()
    motion: bool = True
    detector_ran: bool = False
    stage_ms: dict[str, float] = msgspec.field(default_factory=dict)
    landmarks: dict[int, list[list[float]]] | None = None
    things: tuple[Thing, ...] | None = None
    blocked: bool | None = None


_json_encoder = msgspec.json.Encoder()
_NO_FACE = dict.fromkeys(Face.__struct_fields__)
_json_decoder = msgspec.json.Decoder(Observation)


def to_json(observation: Observation) -> bytes:
    """One line of an observation file, without the newline.

    Scripts read it: `faces` and every field of a face are there, `null` where nothing was seen.
    """
    fields = msgspec.to_builtins(observation)
    fields["faces"] = [{**_NO_FACE, **face} for face in fields.get("faces", ())]
    return _json_encoder.encode(fields)


def from_json(line: bytes) -> Observation:
    """Read one line of an observation file. Raises msgspec.MsgspecError when it is damaged."""
    return _json_decoder.decode(line)
