"""The seat's state machine: what holds now, for how long, and which verdict follows.

Each verdict is a condition with a patience. A condition that has held for its patience without a break is ripe; the worst
ripe one is the verdict. A verdict stays until another is ripe: who leaves a held-up phone behind is not forgiven by it,
but by what is seen next. Pure; `docs/security-policy.md` has the table, the tests have it once more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edged.events import Advice, LivenessVerdict, Reason, Seat, SeatMode, SeatVerdict, WhoVerdict, iso_utc
from edged.settings.schedule import read_schedule
from edged.settings.security import SecuritySettings
from edged.settings.security_rules import Action
from edged.states import SecurityState

MILLISECONDS = 1000.0
# Where nobody looks at the lens any more (its stage was switched off), what was said of it does not last.
_LENS_MS = 30_000.0
# The worst first: of several ripe ones the first is the verdict.
ORDER: tuple[SeatVerdict, ...] = (
    "blocked", "spoof", "camera_blocked", "camera_gone", "phone", "wrong_user", "nobody", "model_missing",
    "several_faces", "undecided", "broker_gone", "right_user",
)  # fmt: skip


class Surroundings(msgspec.Struct, frozen=True):
    """What no picture shows. The caller says it, so that judgement needs no clock and no network.

    weekday, minute: local time, 0 Monday .. 6 Sunday and minutes after midnight; None: unknown, and schedules do not
    count. camera: empty, or why there are no fresh pictures. missing: stages that the policy needs and that do not run.
    broker: it can be reached.
    """

    weekday: int | None = None
    minute: int = 0
    camera: str = ""
    missing: tuple[str, ...] = ()
    broker: bool = True


class Scene(NamedTuple):
    """What is known of the seat at one moment. person, who, alive, track: of the primary face; *_score: 0..1.

    someone: somebody is there, debounced. faces: in view now, debounced. fresh: a picture was analysed just now.
    """

    someone: bool = False
    faces: int = 0
    fresh: bool = True
    track: int | None = None
    who: WhoVerdict = "undecided"
    person: str | None = None
    stranger: str | None = None
    who_score: float | None = None
    alive: LivenessVerdict = "undecided"
    alive_score: float | None = None
    witnesses: tuple[str, ...] = ()
    phone: bool = False
    phone_score: float | None = None
    blocked_lens: bool | None = None


class Blocked(msgspec.Struct, frozen=True):
    """A block in force. by: the verdict; since_wall_ns: UTC."""

    by: str
    since_wall_ns: int


class Held(msgspec.Struct, frozen=True):
    """A condition that holds. since_ms: from when on; what: a plain sentence; score: 0..1, if there is one."""

    verdict: SeatVerdict
    since_ms: float
    first_frame: int
    what: str
    score: float | None = None


class SecurityMemory(msgspec.Struct, frozen=True):
    """held: all conditions that hold. verdict: as told. graced_ms: the grace lasts until then.

    lens_ms: when the lens was last found covered; None: it was not at the last look.
    """

    on: bool = False
    verdict: SeatVerdict = "starting"
    held: tuple[Held, ...] = ()
    blocked: Blocked | None = None
    graced_ms: float | None = None
    at_ms: float = 0.0
    mode: SeatMode = "enforce"
    actions: tuple[Action, ...] = ()
    witnesses: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    person: str | None = None
    lens_ms: float | None = None
    since_wall_ns: int = 0

    @property
    def lens_blocked(self) -> bool:
        """The last look, not long ago, found the lens covered."""
        return self.lens_ms is not None and self.at_ms - self.lens_ms <= _LENS_MS


def begin(settings: SecuritySettings, blocked: Blocked | None = None) -> SecurityMemory:
    """Nothing has been seen yet. blocked: a block from before, which nobody has released."""
    return SecurityMemory(on=settings.enabled, blocked=blocked)


def step(
    settings: SecuritySettings,
    memory: SecurityMemory,
    scene: Scene,
    around: Surroundings,
    *,
    at_ms: float,
    frame: int,
    wall_ns: int,
) -> tuple[SecurityMemory, list[Seat]]:
    """Take in how things are at this moment."""
    if not settings.enabled:
        return SecurityMemory(), []
    if not memory.on or memory.graced_ms is None:
        grace_ms = at_ms + settings.grace_seconds * MILLISECONDS
        memory = msgspec.structs.replace(
            memory, on=True, graced_ms=grace_ms, since_wall_ns=memory.since_wall_ns or wall_ns
        )
    mode = mode_at(settings, around)
    memory = msgspec.structs.replace(memory, at_ms=at_ms)
    if scene.blocked_lens is not None:
        memory = msgspec.structs.replace(memory, lens_ms=at_ms if scene.blocked_lens else None)
    held = _held(memory, conditions(settings, memory, scene, around), at_ms, frame)
    memory = msgspec.structs.replace(memory, held=held)
    if mode == "off" and memory.blocked is None:
        # A block outlasts the hours in which it was made.
        return _become(memory, "off", settings, scene, mode, at_ms, frame, wall_ns)
    ripe = next((each for each in held if _is_ripe(settings, memory, each, at_ms)), None)
    if ripe is None and memory.verdict == "off":
        return _become(memory, "starting", settings, scene, mode, at_ms, frame, wall_ns)
    verdict = memory.verdict if ripe is None else ripe.verdict
    return _become(memory, verdict, settings, scene, mode, at_ms, frame, wall_ns)


def conditions(
    settings: SecuritySettings, memory: SecurityMemory, scene: Scene, around: Surroundings
) -> dict[SeatVerdict, tuple[str, float | None]]:
    """What holds at this moment: by verdict the reason and its score."""
    found: dict[SeatVerdict, tuple[str, float | None]] = {}
    if memory.blocked is not None:
        found["blocked"] = (f"blocked by {memory.blocked.by}, until it is released", None)
    if not around.broker:
        found["broker_gone"] = ("the broker cannot be reached", None)
    if around.missing:
        found["model_missing"] = (f"not running: {', '.join(around.missing)}", None)
    if around.camera:
        # What was seen last says nothing about now.
        found["camera_gone"] = (around.camera, None)
        return found
    if memory.lens_blocked:
        found["camera_blocked"] = ("the lens is covered", None)
    if scene.phone:
        found["phone"] = ("a phone is held up", scene.phone_score)
    if not scene.someone:
        if not memory.lens_blocked:
            found["nobody"] = ("nobody is there", None)
        return found
    if scene.faces > 1:
        found["several_faces"] = (f"{scene.faces} faces", None)
    verdict, what, score = _sitter(settings, scene)
    if verdict not in ("right_user", memory.verdict):
        # Beside the others, so that somebody who is now this and now that for moments does not begin anew each time. Not
        # beside what has been told already: who comes after a stranger is not to be locked out while they are looked at.
        found["undecided"] = ("it is not the right person, as far as can be told", None)
    found[verdict] = (what, score)
    return found


def _sitter(settings: SecuritySettings, scene: Scene) -> tuple[SeatVerdict, str, float | None]:
    """What the primary face comes to."""
    if scene.alive == "spoof":
        return "spoof", "the face is no live one", scene.alive_score
    if settings.require == "known":
        if scene.who == "unknown":
            named = f" ({scene.stranger})" if scene.stranger else ""
            return "wrong_user", f"the face is a stranger's{named}", scene.who_score
        if scene.who == "known" and not _is_right(scene.person or "", settings.right_people):
            return "wrong_user", f"{scene.person} is not of judgement.security.right_people", scene.who_score
        if scene.who != "known":
            return "undecided", "who it is cannot be told yet", None
    if settings.require_live and scene.alive != "live":
        return "undecided", "whether the face is live cannot be told yet", None
    return "right_user", f"{scene.person or 'somebody'} is there", scene.who_score


def _is_right(person: str, right_people: Sequence[str]) -> bool:
    """As the gallery takes names: in whatever case, and however their accents are written. Nobody named: everybody is."""
    return not right_people or _plain(person) in map(_plain, right_people)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


def _held(
    memory: SecurityMemory, found: dict[SeatVerdict, tuple[str, float | None]], at_ms: float, frame: int
) -> tuple[Held, ...]:
    """Those that hold, the worst first; who held before keeps the start."""
    before = {each.verdict: each for each in memory.held}
    held = []
    for verdict in ORDER:
        if verdict in found:
            what, score = found[verdict]
            old = before.get(verdict)
            held.append(
                Held(verdict, at_ms, frame, what, score)
                if old is None
                else msgspec.structs.replace(old, what=what, score=score)
            )
    return tuple(held)


def _is_ripe(settings: SecuritySettings, memory: SecurityMemory, held: Held, at_ms: float) -> bool:
    rule = settings.rules()[held.verdict]
    if not rule.in_grace and memory.graced_ms is not None and at_ms < memory.graced_ms:
        return False
    return at_ms - held.since_ms >= rule.after_seconds * MILLISECONDS


def _become(
    memory: SecurityMemory,
    verdict: SeatVerdict,
    settings: SecuritySettings,
    scene: Scene,
    mode: SeatMode,
    at_ms: float,
    frame: int,
    wall_ns: int,
) -> tuple[SecurityMemory, list[Seat]]:
    """The verdict is this one now; told if it is another than before, of another person, or is recommended otherwise by
    the hour.
    """
    mine = next((each for each in memory.held if each.verdict == verdict), None)
    another = (
        verdict == "right_user"
        and mine is not None
        and _is_ripe(settings, memory, mine, at_ms)
        and scene.person not in (None, memory.person)
    )
    if (verdict, mode) == (memory.verdict, memory.mode) and not another:
        return memory, []
    if verdict == memory.verdict == "starting":
        return msgspec.structs.replace(memory, mode=mode), []  # nothing has been said yet, in whatever mode
    rule = settings.rules().get(verdict)
    actions: tuple[Action, ...] = ()
    if rule is not None and (mode != "watch" or verdict == "blocked"):  # a block counts at every hour
        actions = tuple(each for each in rule.actions if each != "none")
    blocked = memory.blocked
    if "block" in actions and blocked is None:
        blocked = Blocked(verdict, wall_ns)
    others = [each for each in memory.held if each.verdict != verdict]
    reasons = tuple(
        Reason(each.what, each.score, round((at_ms - each.since_ms) / MILLISECONDS, 1))
        for each in (*([mine] if mine else []), *others)
    )
    person = scene.person if scene.someone and not _is_blind(verdict) else None
    graced_ms = memory.graced_ms
    if verdict == "right_user" and {"lock", "sign_out"} & set(memory.actions):
        graced_ms = at_ms + settings.grace_seconds * MILLISECONDS  # who is back must unlock first
    after = msgspec.structs.replace(
        memory,
        verdict=verdict,
        mode=mode,
        actions=actions,
        blocked=blocked,
        reasons=reasons,
        witnesses=witnesses_of(verdict, scene),
        person=person,
        graced_ms=graced_ms,
        since_wall_ns=wall_ns,
    )
    told = Seat(
        verdict=verdict,
        previous=memory.verdict,
        safe=is_safe(after),
        blocked=blocked is not None,
        mode=mode,
        actions=list(actions),
        do=advice(actions),
        reasons=list(reasons),
        witnesses=list(after.witnesses),
        person=person,
        track=scene.track if scene.someone and not _is_blind(verdict) else None,
        held_ms=round(at_ms - mine.since_ms, 1) if mine else 0.0,
        first_frame=mine.first_frame if mine else frame,
    )
    return after, [told]


def _is_blind(verdict: SeatVerdict) -> bool:
    """With this verdict nothing can be said of a face."""
    return verdict in ("camera_gone", "camera_blocked", "nobody", "starting", "off")


def witnesses_of(verdict: SeatVerdict, scene: Scene) -> tuple[str, ...]:
    """Who says so."""
    if verdict in ("spoof", "right_user", "wrong_user", "undecided"):
        recognised = ("recognition",) if scene.who != "undecided" else ()
        return tuple(dict.fromkeys((*(recognised if verdict != "spoof" else ()), *scene.witnesses))) or ("face",)
    if verdict == "phone":
        return ("objects",)
    if verdict in ("nobody", "several_faces"):
        return ("face",)
    if verdict == "blocked":
        return ("memory",)
    return ("camera",) if verdict == "camera_blocked" else ("health",)


def advice(actions: tuple[Action, ...]) -> Advice:
    """The actions as switches."""
    return Advice(**{each: True for each in actions if each != "none"})


def is_safe(memory: SecurityMemory) -> bool:
    """The right person sits there, and nothing is blocked."""
    return memory.verdict == "right_user" and memory.blocked is None


def unlocked(settings: SecuritySettings, memory: SecurityMemory, *, wall_ns: int) -> SecurityMemory:
    """Somebody unlocked the seat: what counted before is forgotten, and the grace begins. A block stays."""
    if memory.graced_ms is None:
        return memory
    return msgspec.structs.replace(
        memory,
        verdict="blocked" if memory.blocked is not None else "starting",
        held=(),
        graced_ms=memory.at_ms + settings.grace_seconds * MILLISECONDS,
        since_wall_ns=wall_ns,
        **({} if memory.blocked is not None else {"actions": (), "reasons": (), "witnesses": (), "person": None}),
    )


def release(settings: SecuritySettings, memory: SecurityMemory, *, wall_ns: int) -> SecurityMemory:
    """The block ends, and the grace begins."""
    return unlocked(settings, msgspec.structs.replace(memory, blocked=None), wall_ns=wall_ns)


def mode_at(settings: SecuritySettings, around: Surroundings) -> SeatMode:
    """The mode of the first schedule that fits."""
    if around.weekday is not None:
        for text in settings.schedules:
            schedule = read_schedule(text)
            if schedule.covers(around.weekday, around.minute):
                return schedule.mode
    return settings.mode


def state(memory: SecurityMemory) -> SecurityState:
    """`state/security`."""
    worse = [each.verdict for each in memory.held]
    pending = worse[0] if worse and worse[0] != memory.verdict else None
    blocked = memory.blocked
    return SecurityState(
        verdict=memory.verdict,
        safe=is_safe(memory),
        blocked=blocked is not None,
        blocked_by=None if blocked is None else blocked.by,
        blocked_since=None if blocked is None else iso_utc(blocked.since_wall_ns),
        mode=memory.mode,
        actions=list(memory.actions),
        do=advice(memory.actions),
        reasons=[each.what for each in memory.reasons],
        witnesses=list(memory.witnesses),
        person=memory.person,
        pending=pending,
        grace=memory.graced_ms is not None and memory.at_ms < memory.graced_ms,
        since=iso_utc(memory.since_wall_ns),
    )
