"""Every option edged has: its type, unit, range, default, one sentence, and whether it may change from afar.

`configuration/` reads them from file, environment and command line; here is only what they are.
`option(..., remote=...)` says what the remote configuration may touch: `live` is swapped in between two frames,
`restart` awaits a restart of the daemon, `never` is what nobody may set from afar (paths, addresses, secrets).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr, model_validator

from edged.settings.base import Fraction, Remote, Section, option
from edged.settings.cooling import CoolingSettings
from edged.settings.hooks import HookSettings
from edged.settings.keeping import AuditSettings, EvidenceSettings, HistorySettings
from edged.settings.liveness import LivenessSettings
from edged.settings.metrics import MetricsSettings
from edged.settings.objects import AttributeSettings, LensSettings, ObjectSettings
from edged.settings.recognition import LATEST_FACTOR, RecognitionSettings
from edged.settings.security import SecuritySettings
from edged.settings.signing import SigningSettings
from edged.settings.verdicts import IdentitySettings, LivenessJudgementSettings, ObjectJudgementSettings

__all__ = ["Fraction", "Remote", "Section", "option"]


class CaptureSettings(Section):
    """The camera: where the pictures come from and what is done to each, once."""

    source: str = option(
        "/dev/video0",
        "Where pictures come from: /dev/video0, a file, a folder of images, rtsp://…, http://…, gstreamer:PIPELINE, "
        "picamera2:0, sitter: or sitter:SCRIPT.toml.",
    )
    width: int = option(640, "Widest picture that is analysed.", unit="pixels", remote="restart", ge=64, le=3840)
    height: int = option(480, "Tallest picture that is analysed.", unit="pixels", remote="restart", ge=64, le=2160)
    frames_per_second: float = option(15.0, "Frames asked of a live source.", unit="1/s", remote="live", gt=0, le=120)
    rotate_degrees: Literal[0, 90, 180, 270] = option(
        0, "Turn the picture clockwise by this much, after any rotation the file itself asks for.", remote="restart"
    )
    mirror: bool = option(
        False,
        "Undo the mirroring of a camera that mirrors; left and right are then the sitter's own again.",
        remote="restart",
    )
    crop: tuple[Fraction, Fraction, Fraction, Fraction] = option(
        (0.0, 0.0, 1.0, 1.0),
        "Part of the picture to look at: left, top, right, bottom as fractions, before turning.",
        remote="restart",
    )
    pixel_format: Literal["auto", "mjpg", "yuyv"] = option(
        "auto", "V4L2 format: auto takes YUYV where it reaches the wanted rate and MJPG where it does not."
    )
    pace: Literal["realtime", "fast"] = option(
        "realtime", "Play files at their own speed, or as fast as inference takes every frame."
    )
    loop: bool = option(True, "Start a file again at its end.")
    frozen_seconds: float = option(
        1.5, "A camera without a new picture for this long is called frozen.", unit="s", remote="live", ge=0.2, le=60
    )
    retry_seconds: float = option(
        0.5, "First pause before a lost camera is opened again.", unit="s", remote="live", ge=0.05, le=60
    )
    retry_max_seconds: float = option(
        15.0, "Longest pause before a lost camera is opened again.", unit="s", remote="live", ge=0.1, le=600
    )

    @model_validator(mode="after")
    def _crop_has_area(self) -> CaptureSettings:
        left, top, right, bottom = self.crop
        if right <= left or bottom <= top:
            raise ValueError("crop must be left, top, right, bottom with right > left and bottom > top")
        return self


class StageSettings(Section):
    """Which stages of the pipeline run."""

    landmarks: bool = option(True, "Face landmarks: needed for head pose, eyes and gaze.", remote="live")
    head_pose: bool = option(True, "Head yaw, pitch and roll.", remote="live")
    iris: bool = option(True, "Eye contour and iris: needed for blinks and gaze.", remote="live")


class InferenceSettings(Section):
    """The networks and how often they are asked."""

    backend: Literal["litert", "mediapipe"] = option(
        "litert", "Which implementation finds landmarks: litert, or mediapipe (scripts/add mediapipe)."
    )
    threads: int = option(1, "Threads of each network.", remote="restart", ge=1, le=16)
    delegate: str = option("", "Shared library of an external LiteRT delegate, e.g. libedgetpu.so.1.")
    delegate_options: dict[str, str] = option({}, "Options handed to the delegate.")
    max_faces: int = option(2, "Faces followed at the same time.", remote="live", ge=1, le=16)
    detector: Literal["auto", "short", "full"] = option(
        "auto",
        "Face detector: short sees faces larger than about a tenth of the picture, full sees smaller ones and costs "
        "more; auto asks full every few seconds when short finds nobody though something moves.",
        remote="live",
    )
    detection_score: Fraction = option(0.5, "A detection below this is not a face.", remote="live")
    tracking_score: Fraction = option(
        0.5, "Landmarks below this lose the face and the detector is asked again.", remote="live"
    )
    search_seconds: float = option(
        0.5,
        "Time between detector runs while faces are followed, to find others.",
        unit="s",
        remote="live",
        ge=0.05,
        le=60,
    )
    lost_track_seconds: float = option(
        2.0, "A hidden face keeps its track id for this long.", unit="s", remote="live", ge=0, le=60
    )
    idle_frames_per_second: float = option(
        6.0,
        "Rate of looking at an empty, still scene. At 6 a person who walks in is noticed within 170 ms.",
        unit="1/s",
        remote="live",
        ge=5,
        le=60,
    )
    motion_threshold: float = option(
        6.0,
        "Change of brightness (0..255) of a patch that counts as motion.",
        unit="levels",
        remote="live",
        ge=0.5,
        le=100,
    )
    busy_fraction: float = option(
        0.8,
        "Most of one processor core that inference may use; the frame rate sinks until it fits.",
        remote="live",
        ge=0.05,
        le=1,
    )
    iris_skip_levels: float = option(
        2.5,
        "An eye whose picture changed by less than this (0..255, mean of the patch) is not asked again; 0 asks always.",
        unit="levels",
        remote="live",
        ge=0,
        le=20,
    )
    stages: StageSettings = option(StageSettings(), "Switches of the stages.")
    recognition: RecognitionSettings = option(RecognitionSettings(), "Who somebody is.")
    liveness: LivenessSettings = option(LivenessSettings(), "Whether a face is of flesh.")
    objects: ObjectSettings = option(ObjectSettings(), "Things beside faces.")
    attributes: AttributeSettings = option(AttributeSettings(), "What a face wears.")
    lens: LensSettings = option(LensSettings(), "Whether the lens is covered.")


class PresenceSettings(Section):
    """When somebody counts as there."""

    arrive_seconds: float = option(
        0.3, "A face must be seen for this long before somebody is there.", unit="s", remote="live", ge=0, le=60
    )
    leave_seconds: float = option(
        1.5, "No face for this long before nobody is there.", unit="s", remote="live", ge=0, le=600
    )


class GazeSettings(Section):
    """Where the screen is and how gaze is cut into zones. Angles are relative to the camera."""

    centre_yaw_degrees: float = option(
        0.0,
        "Yaw of the middle of the screen as the sitter sees it; positive to the sitter's left.",
        unit="°",
        remote="live",
        ge=-60,
        le=60,
    )
    centre_pitch_degrees: float = option(
        -5.0,
        "Pitch of the middle of the screen: a camera on top of the screen makes it negative.",
        unit="°",
        remote="live",
        ge=-60,
        le=60,
    )
    auto_centre: bool = option(
        True, "Learn each person's own straight-ahead look from the first seconds.", remote="live"
    )
    side_degrees: float = option(
        12.0, "Gaze further to a side than this is left or right.", unit="°", remote="live", ge=2, le=60
    )
    up_degrees: float = option(12.0, "Gaze higher than this is up.", unit="°", remote="live", ge=2, le=60)
    down_degrees: float = option(12.0, "Gaze lower than this is down.", unit="°", remote="live", ge=2, le=60)
    away_degrees: float = option(
        45.0, "A head turned further than this looks away.", unit="°", remote="live", ge=10, le=90
    )
    hysteresis_degrees: float = option(
        3.0, "A zone is left only when gaze is this far back inside its edge.", unit="°", remote="live", ge=0, le=20
    )
    settle_seconds: float = option(
        0.15, "A new zone must hold for this long before it is told.", unit="s", remote="live", ge=0, le=10
    )
    dwell_seconds: float = option(1.0, "A zone held for this long is a dwell.", unit="s", remote="live", ge=0.1, le=600)
    closed_seconds: float = option(
        0.5, "Eyes shut for this long are the zone eyes_closed.", unit="s", remote="live", ge=0.1, le=60
    )


class BlinkSettings(Section):
    """What counts as a blink. Openness: 0 shut, 1 this person's own open eye."""

    close_openness: Fraction = option(0.5, "Lids below this are closing.", remote="live")
    open_openness: Fraction = option(0.7, "Lids above this are open again.", remote="live")
    shut_openness: Fraction = option(0.45, "A closure that never sank below this was not a blink.", remote="live")
    deep_openness: Fraction = option(
        0.3, "Lids that never sank below this may be a look downwards: such a closure must be short.", remote="live"
    )
    shallow_seconds: float = option(0.4, "Longest blink that is not deep.", unit="s", remote="live", ge=0.05, le=5)
    minimum_seconds: float = option(0.03, "Shorter closures are noise.", unit="s", remote="live", ge=0, le=1)
    long_seconds: float = option(
        0.8, "Eyes held shut for this long are a long blink.", unit="s", remote="live", ge=0.2, le=10
    )
    group_seconds: float = option(
        0.5,
        "Blinks whose pauses are shorter than this are one double or triple; a single is told after this wait.",
        unit="s",
        remote="live",
        ge=0,
        le=5,
    )
    wink_difference: Fraction = option(
        0.35, "One eye this much more shut than the other, which stays open, is a wink.", remote="live"
    )

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> BlinkSettings:
        if not self.deep_openness <= self.shut_openness <= self.close_openness < self.open_openness:
            raise ValueError("must rise: deep_openness <= shut_openness <= close_openness < open_openness")
        return self


class DrowsinessSettings(Section):
    """PERCLOS: the share of time the eyes are at least 80 % shut."""

    window_seconds: float = option(
        60.0, "Window of PERCLOS and of the blink rate.", unit="s", remote="live", ge=5, le=600
    )
    perclos_percent: float = option(15.0, "PERCLOS at or above this is drowsy.", unit="%", remote="live", gt=0, le=100)
    recover_percent: float = option(8.0, "PERCLOS below this is awake again.", unit="%", remote="live", ge=0, le=100)


class SummarySettings(Section):
    """The periodic summary."""

    window_seconds: float = option(10.0, "Length of a summary window.", unit="s", remote="live", ge=1, le=3600)


class JudgementSettings(Section):
    """From observations to events."""

    presence: PresenceSettings = option(PresenceSettings(), "When somebody counts as there.")
    gaze: GazeSettings = option(GazeSettings(), "Where gaze is cut into zones.")
    blink: BlinkSettings = option(BlinkSettings(), "What counts as a blink.")
    drowsiness: DrowsinessSettings = option(DrowsinessSettings(), "When somebody counts as drowsy.")
    summary: SummarySettings = option(SummarySettings(), "The periodic summary.")
    identity: IdentitySettings = option(IdentitySettings(), "When a name is given.")
    liveness: LivenessJudgementSettings = option(LivenessJudgementSettings(), "When a face counts as live.")
    objects: ObjectJudgementSettings = option(ObjectJudgementSettings(), "When a thing counts as there.")
    security: SecuritySettings = option(SecuritySettings(), "Whether the seat is safe.")


class TlsSettings(Section):
    """Encryption of the connection to the broker."""

    enabled: bool = option(False, "Speak TLS to the broker.")
    ca_file: Path | None = option(None, "Certificate authority to trust; none means the system's.")
    certificate_file: Path | None = option(None, "Client certificate.")
    key_file: Path | None = option(None, "Key of the client certificate.")

    @model_validator(mode="after")
    def _key_and_certificate_together(self) -> TlsSettings:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file are given together or not at all")
        return self


class MqttSettings(Section):
    """The broker."""

    host: str = option("localhost", "Broker's host name or address.", min_length=1)
    port: int = option(1883, "Broker's port; 8883 is usual with TLS.", ge=1, le=65535)
    username: str = option("", "User name; empty for an anonymous broker.")
    password: SecretStr | None = option(
        None, "Password. Better: password_file, or a systemd credential named mqtt_password."
    )
    password_file: Path | None = option(None, "File whose first line is the password.")
    prefix: str = option("edged", "First level of every topic.", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")
    client_id: str = option("", "Client id; empty means edged- and the camera's name.")
    keepalive_seconds: int = option(
        15, "The broker declares us dead after one and a half of these.", unit="s", ge=5, le=3600
    )
    session_expiry_seconds: int = option(
        3600, "The broker keeps our session for this long while we are away.", unit="s", ge=0, le=604800
    )
    reconnect_max_seconds: float = option(30.0, "Longest pause between attempts to connect.", unit="s", ge=0.5, le=3600)
    state_expiry_seconds: int = option(
        90,
        "A state that nobody confirmed for this long disappears from the broker, and from Home Assistant.",
        unit="s",
        ge=10,
        le=86400,
    )
    tls: TlsSettings = option(TlsSettings(), "Encryption.")


class RemoteSettings(Section):
    """Settings over MQTT."""

    enabled: bool = option(True, "Take settings from config/set and config/change.")
    probation_seconds: float = option(
        20.0,
        "A change from afar with which the pipeline fails within this time is taken back by itself.",
        unit="s",
        ge=2,
        le=600,
    )


class StoreSettings(Section):
    """What is kept on disk: events that wait for the broker, settings from afar."""

    directory: Path | None = option(
        None,
        "Folder for what edged keeps; none means EDGED_STATE_DIR, else what systemd gives (STATE_DIRECTORY), "
        "else /var/lib/edged or ~/.local/state/edged.",
    )
    limit_events: int = option(100_000, "Most events that wait for the broker.", ge=100, le=10_000_000)
    limit_megabytes: int = option(64, "Most room that waiting events take.", unit="MB", ge=1, le=10_000)
    limit_days: float = option(14.0, "An event that waited for this long is dropped.", unit="d", gt=0, le=3650)
    batch_seconds: float = option(
        2.0,
        "Blinks, gaze and the like of this last stretch may be lost in a power cut (never otherwise); longer spares "
        "the card. Security, identity and health events are on the card before they are sent.",
        unit="s",
        ge=0,
        le=60,
    )


class HomeAssistantSettings(Section):
    """How Home Assistant finds this device."""

    enabled: bool = option(True, "Publish what Home Assistant needs to set the device up by itself.")
    prefix: str = option(
        "homeassistant",
        "Home Assistant's discovery prefix.",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
    )
    discovery: Literal["device", "components"] = option(
        "device",
        "One message for the whole device (Home Assistant 2024.12 and newer), or one for each entity (components).",
    )
    configuration_url: str = option(
        "", "Where Home Assistant's link to the device leads, e.g. a page of yours.", pattern=r"^(https?://\S+)?$"
    )


class SnapshotSettings(Section):
    """Pictures leave the device only if this is on."""

    enabled: bool = option(False, "Answer the snapshot command with a JPEG of the newest frame.")
    quality: int = option(85, "JPEG quality.", ge=10, le=100)


class StreamSettings(Section):
    """Per-frame data for people who want it."""

    landmarks: bool = option(False, "Publish each frame's landmarks (QoS 0).")


class HealthSettings(Section):
    """How often health is told."""

    interval_seconds: float = option(
        10.0, "Health is published on every change and at least this often.", unit="s", remote="live", ge=1, le=3600
    )
    warm_celsius: float = option(80.0, "Above this the health is degraded.", unit="°C", remote="live", ge=30, le=120)


class ModelSettings(Section):
    """Where model files live."""

    directory: Path | None = option(
        None,
        "Folder of model files; none means EDGED_MODELS_DIR, else ~/.local/share/edged/models or /var/lib/edged/models.",
    )


class LogSettings(Section):
    """What the log says."""

    level: Literal["debug", "info", "warning", "error"] = option("info", "Least important line that is logged.")
    format: Literal["auto", "text", "json", "journal"] = option(
        "auto",
        "Where lines go and how they look: `journal` to systemd's journal, with fields; `text` or `json` to standard error; "
        "`auto` to the journal where standard error leads there, else as text.",
    )


class Settings(Section):
    """All settings of one camera's daemon."""

    camera: str = option("front", "Name of this camera in topics and logs.", pattern=r"^[a-z0-9_-]{1,64}$")
    capture: CaptureSettings = option(CaptureSettings(), "The camera.")
    inference: InferenceSettings = option(InferenceSettings(), "The networks.")
    judgement: JudgementSettings = option(JudgementSettings(), "From observations to events.")
    mqtt: MqttSettings = option(MqttSettings(), "The broker.")
    remote: RemoteSettings = option(RemoteSettings(), "Settings over MQTT.")
    signing: SigningSettings = option(SigningSettings(), "Signed commands over MQTT.")
    home_assistant: HomeAssistantSettings = option(HomeAssistantSettings(), "Home Assistant.")
    store: StoreSettings = option(StoreSettings(), "What is kept on disk.")
    snapshot: SnapshotSettings = option(SnapshotSettings(), "Pictures on request.")
    stream: StreamSettings = option(StreamSettings(), "Per-frame data.")
    evidence: EvidenceSettings = option(EvidenceSettings(), "Pictures around security events.")
    audit: AuditSettings = option(AuditSettings(), "The audit trail.")
    history: HistorySettings = option(HistorySettings(), "Past events.")
    hooks: dict[str, HookSettings] = option(
        {}, "Other people's analysis: [hooks.NAME], the name of an entry point of the group edged.hooks."
    )
    health: HealthSettings = option(HealthSettings(), "The pipeline's own state.")
    cooling: CoolingSettings = option(CoolingSettings(), "What is done about heat.")
    metrics: MetricsSettings = option(MetricsSettings(), "Figures and health over HTTP.")
    models: ModelSettings = option(ModelSettings(), "Model files.")
    log: LogSettings = option(LogSettings(), "The log.")

    @model_validator(mode="after")
    def _the_policy_can_know(self) -> Settings:
        policy = self.judgement.security
        if policy.enabled and policy.require == "known" and not self.inference.recognition.enabled:
            raise ValueError(
                "judgement.security wants to know who sits there: set inference.recognition.enabled = true, or "
                'judgement.security.require = "anybody"'
            )
        if policy.enabled and policy.require_live and not self.inference.liveness.enabled:
            raise ValueError("judgement.security.require_live needs inference.liveness.enabled = true")
        return self

    @model_validator(mode="after")
    def _a_steady_name_lasts(self) -> Settings:
        # A settled face may be asked about as rarely as this: its name would lapse in between, and come back.
        recheck, memory = self.inference.recognition.recheck_seconds, self.judgement.identity.memory_seconds
        longest = recheck * LATEST_FACTOR
        if memory < longest:
            raise ValueError(
                f"judgement.identity.memory_seconds = {memory:g} is too short for inference.recognition.recheck_seconds = "
                f"{recheck:g}: a known face may be looked at again after {longest:g} s only ({LATEST_FACTOR:g} times that), "
                f"and its name would lapse meanwhile; set memory_seconds to {longest:g} or more, or lower recheck_seconds"
            )
        return self
