"""Is this machine fit to be a sensor? One finding per thing that has to be right, each with its cure.

Nothing here raises: what cannot be found out is a finding.
"""

from __future__ import annotations

import errno
import grp
import importlib.metadata
import importlib.util
import json
import os
import platform
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edged
from edged.bus.private_broker import find_mosquitto
from edged.bus.subscriber import Subscriber
from edged.capture.source import kind_of, redact
from edged.daemon import board
from edged.daemon.board_throttling import POWER, ThrottlingWatch, cure
from edged.doctor.limits import memory_can_be_limited
from edged.doctor.mounts import mounts, why_lost
from edged.errors import BrokerError, EdgedError
from edged.hooks.entry_points import offers
from edged.inference.models import ModelStore, default_directory, needed
from edged.settings import Settings
from edged.store.database import inspect
from edged.store.directory import chosen_directory
from edged.topics import camera_topic
from edged.wording import counted

PROBE_SECONDS = 20.0
_STUCK_CURES = {
    "camera": "unplug it and plug it in again",
    "network": "the board is very slow or busy: try again when it is idle",
    "hook": "importing it must not take so long: edged run gives up on it after a minute",
}
BROKER_SECONDS = 3.0
# Room for a pull: the wheel, and the models unpacked.
FREE_BYTES = 100_000_000


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's. name: what was looked at; cure: what to do, empty if nothing is wrong."""

    name: str
    ok: bool
    what: str
    cure: str = ""


def examine(settings: Settings, root: Path = Path("/")) -> Iterator[Finding]:
    """All findings, as they are made. root: for tests, another place with /dev, /sys and /proc."""
    examinations: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _libraries,
        lambda: _shared_memory(root),
        lambda: _permissions(root),
        lambda: _camera(settings, root),
        lambda: _models(settings),
        lambda: _runtime(settings),
        lambda: _broker(settings),
        lambda: _temperature(settings, root),
        lambda: _memory(root),
        lambda: _disk(settings),
        lambda: _state(settings),
        lambda: _lasting(settings, root),
        lambda: _hooks(settings),
    ]
    for examination in examinations:
        yield from examination()


# --- software -----------------------------------------------------------------------------------------------------


def _python() -> Iterator[Finding]:
    told = f"{platform.python_version()} on {platform.machine()}, {platform.system()} {platform.release()}; edged {edged.__version__}"
    if sys.maxsize < 2**32:
        yield Finding("python", False, f"{told}: 32 bit", "install a 64-bit system: there is no LiteRT for 32 bit")
    else:
        yield Finding("python", True, told)


def _libraries() -> Iterator[Finding]:
    """Every library that edged's own metadata asks for here: its version, or that it is missing."""
    try:
        requirements = importlib.metadata.requires("edged") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "libraries", False, "edged is not installed", "pip install -e . in its folder, or scripts/quickstart"
        )
        return
    names = [match[0] for line in requirements if ";" not in line and (match := re.match(r"[A-Za-z0-9_.-]+", line))]
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("libraries", False, f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    else:
        yield Finding("libraries", True, ", ".join(found))


def _shared_memory(root: Path) -> Iterator[Finding]:
    try:
        descriptor = os.memfd_create("edged-doctor", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, 1 << 20)
        finally:
            os.close(descriptor)
    except (OSError, AttributeError) as error:
        yield Finding("frame memory", False, f"memfd_create: {error}", "use a Linux kernel of 3.17 or newer")
    else:
        yield Finding("frame memory", True, "memfd works")
    shm = root / "dev/shm"
    if not shm.is_dir():
        yield Finding("shared memory", False, "/dev/shm is not there", "sudo mount -t tmpfs tmpfs /dev/shm")
    else:
        free = shutil.disk_usage(shm).free
        yield Finding("shared memory", True, f"{free / 1e6:.0f} MB free in /dev/shm")


# --- the camera ---------------------------------------------------------------------------------------------------


def _video_nodes(root: Path) -> list[Path]:
    return sorted((root / "dev").glob("video[0-9]*"), key=lambda path: int(path.name.removeprefix("video")))


def _permissions(root: Path) -> Iterator[Finding]:
    """May this user open the video devices?"""
    nodes = _video_nodes(root)
    closed = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    user = _user_name()
    if not closed:
        told = f"{user} may open {', '.join(map(str, nodes))}" if nodes else "no /dev/video* to be kept from"
        yield Finding("permissions", True, told)
        return
    owner = closed[0].stat()
    try:
        group = grp.getgrgid(owner.st_gid).gr_name
    except KeyError:
        group = str(owner.st_gid)
    grants = bool(owner.st_mode & stat.S_IRGRP and owner.st_mode & stat.S_IWGRP) and group != "root"
    cure = f"sudo usermod -aG {group} {user}, then log in again" if grants else f"sudo chgrp video {closed[0]}"
    yield Finding("permissions", False, f"{user} may not open {', '.join(map(str, closed))}", cure)


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _camera(settings: Settings, root: Path) -> Iterator[Finding]:
    answer = probe("camera", settings.capture.model_dump(mode="json"))
    what, cure = str(answer["what"]), str(answer.get("cure", ""))
    if not answer["ok"]:
        others = [str(node) for node in _video_nodes(root) if str(node) != settings.capture.source]
        if others and _is_v4l2(settings.capture.source):
            cure = f"{cure}; there is also {', '.join(others)}".lstrip("; ")
        cure = cure or "connect it, or name another with --source"
    yield Finding("camera", bool(answer["ok"]), redact(what), "" if answer["ok"] else cure)


def _is_v4l2(source: str) -> bool:
    try:
        return kind_of(source) == "v4l2"
    except EdgedError:
        return False


# --- networks -----------------------------------------------------------------------------------------------------


def _models(settings: Settings) -> Iterator[Finding]:
    store = ModelStore(default_directory(settings.models))
    problems = [problem for name in needed() if (problem := store.problem(name)) is not None]
    if not problems:
        yield Finding("models", True, f"{len(needed())} of {len(needed())} good in {store.directory}")
    for problem in problems:
        yield Finding("models", False, f"{problem.model} {problem.reason}", problem.cure)


def _runtime(settings: Settings) -> Iterator[Finding]:
    if settings.inference.backend == "mediapipe":
        if importlib.util.find_spec("mediapipe") is None:
            yield Finding("runtime", False, "mediapipe is not installed", "scripts/add mediapipe, in edged's folder")
        else:
            yield Finding("runtime", True, f"mediapipe {importlib.metadata.version('mediapipe')}")
        return
    name = next((name for name in ("ai_edge_litert", "tflite_runtime") if importlib.util.find_spec(name)), None)
    if name is None:
        yield Finding("runtime", False, "no inference runtime is installed", "pip install ai-edge-litert")
        return
    version = importlib.metadata.version(name.replace("_", "-"))
    store = ModelStore(default_directory(settings.models))
    model = next((model for model in needed() if store.problem(model) is None), None)
    if model is None:
        yield Finding("runtime", True, f"{name} {version}, not tried: no model is here")
        return
    asked = {
        "path": str(store.path(model)),
        "threads": settings.inference.threads,
        "delegate": settings.inference.delegate,
        "delegate_options": settings.inference.delegate_options,
    }
    answer = probe("network", asked)
    cure = "" if answer["ok"] else str(answer.get("cure") or f"pip install --force-reinstall {name.replace('_', '-')}")
    yield Finding("runtime", bool(answer["ok"]), f"{name} {version}: {answer['what']}", cure)


def probe(name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Ask `probes.py` in a process of its own."""
    command = [sys.executable, "-m", "edged.doctor.probes", name]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {
            "ok": False,
            "what": f"no answer within {PROBE_SECONDS:.0f} s",
            "cure": _STUCK_CURES[name],
        }
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer
    reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
    if done.returncode < 0:
        reason = [f"crashed with {signal.Signals(-done.returncode).name}"]
    return {"ok": False, "what": reason[0], "cure": ""}


# --- the rest -----------------------------------------------------------------------------------------------------


def _broker(settings: Settings) -> Iterator[Finding]:
    where = f"{settings.mqtt.host}:{settings.mqtt.port}" + (" over TLS" if settings.mqtt.tls.enabled else "")
    topic = camera_topic(settings.mqtt.prefix, settings.camera, "availability")
    try:
        with Subscriber(settings.mqtt, [topic], patience_seconds=BROKER_SECONDS):
            yield Finding("broker", True, f"{where} lets us in and grants {topic}")
    except EdgedError as error:
        cure = "edged run tries again meanwhile; settings: edged config show --origin"
        if "no broker answers" in str(error):
            start = "sudo systemctl start mosquitto" if _mosquitto_is_here() else "sudo apt-get install mosquitto"
            cure = f"start one ({start}), or set mqtt.host; edged run waits for it meanwhile"
        yield Finding("broker", False, str(error), cure)


def _mosquitto_is_here() -> bool:
    try:
        find_mosquitto()
    except BrokerError:
        return False
    return True


def _temperature(settings: Settings, root: Path) -> Iterator[Finding]:
    celsius, throttling = board.temperature_celsius(root), ThrottlingWatch(root).look()
    told = "cannot be told here" if celsius is None else f"{celsius:.0f} °C"
    if celsius is not None and celsius > settings.health.warm_celsius:
        limit = settings.health.warm_celsius
        yield Finding(
            "temperature", False, f"{told}, above {limit:.0f} °C", "add a heat sink or a fan, or lower the frame rate"
        )
    else:
        yield Finding("temperature", True, told)
    if throttling is None:
        yield Finding("throttling", True, "cannot be told here")
    elif throttling.now:
        yield Finding("throttling", False, ", ".join(throttling.now), cure(throttling.now))
    elif past := [reason for reason in throttling.since_boot if reason in POWER]:
        # Heat that has gone is nothing to cure now; a supply that was too weak will be again, and damages cards.
        yield Finding("throttling", False, f"not now, but since the start: {', '.join(past)}", cure(tuple(past)))
    elif throttling.since_boot:
        yield Finding("throttling", True, f"not now; since the start: {', '.join(throttling.since_boot)}")
    else:
        yield Finding("throttling", True, "none")


def _memory(root: Path) -> Iterator[Finding]:
    can = memory_can_be_limited(root)
    if can is None:
        return
    told = (
        "the units' limits are kept"
        if can
        else "the kernel does not keep the units' limits (on Raspberry Pi OS: cgroup_enable=memory at the end of the line "
        "in /boot/firmware/cmdline.txt, and a reboot)"
    )
    # It runs all the same, and no Raspberry Pi is any other way when it is new: no problem, but good to know.
    yield Finding("memory", True, told)


def _disk(settings: Settings) -> Iterator[Finding]:
    directory = default_directory(settings.models)
    existing = next(path for path in (directory, *directory.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(existing).free
    if free < FREE_BYTES:
        yield Finding("disk", False, f"{free / 1e6:.0f} MB free at {existing}", "make room: 100 MB are good to have")
    else:
        yield Finding("disk", True, f"{free / 1e9:.1f} GB free at {existing}")


def _state(settings: Settings) -> Iterator[Finding]:
    """Can what edged keeps be kept: events that wait for the broker, settings from afar."""
    folder = chosen_directory(settings.store)
    existing = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    other = f"sudo install -d -o {_user_name()} {folder}, or set store.directory"
    try:
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(bytes(4096))
    except OSError as error:
        cures = {
            errno.ENOSPC: f"make room at {existing}, or set store.directory",
            errno.EROFS: "the kernel makes a failing card read-only (see dmesg): replace it, or set store.directory",
        }
        cure = cures.get(error.errno or 0, other)
        yield Finding("state", False, f"{existing} cannot be written: {error.strerror}", cure)
        return
    needed_bytes = 2 * settings.store.limit_megabytes * 1_000_000
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        cure = "make room, or lower store.limit_megabytes"
        yield Finding(
            "state",
            False,
            f"{free / 1e6:.0f} MB free at {existing}, waiting events may need {needed_bytes / 1e6:.0f} MB",
            cure,
        )
        return
    database = folder / f"{settings.camera}.db"
    waiting, problem = inspect(database)
    if problem:
        cure = (
            "install the newest edged again" if "newer" in problem else "edged run sets it aside and begins a new one"
        )
        yield Finding("state", False, f"{database}: {problem}", cure)
    else:
        made = "" if folder.is_dir() else " (made by the first run)"
        yield Finding("state", True, f"{folder}{made}, {counted(waiting, 'event')} waiting for the broker")


def _lasting(settings: Settings, root: Path) -> Iterator[Finding]:
    """What is written where a reboot forgets it: a read-only system with an overlay, or a folder in memory."""
    there = mounts(root)
    folder, models = chosen_directory(settings.store).absolute(), default_directory(settings.models).absolute()
    if why := why_lost(folder, there):
        yield Finding(
            "lasting",
            False,
            f"{folder} is lost at the next reboot: {why}. Events that wait, people, past events and the audit trail are in it",
            f"mount a partition that stays at {folder}, or set store.directory to one (docs/operations.md)",
        )
    elif why := why_lost(models, there):
        told = f"{folder} stays over a reboot; models pulled now do not ({why}): pull them while the system is writable"
        yield Finding("lasting", True, told)
    else:
        yield Finding("lasting", True, f"{folder} stays over a reboot")


def _hooks(settings: Settings) -> Iterator[Finding]:
    """Can what is set up be loaded; what else is installed."""
    for name, hook in settings.hooks.items():
        if not hook.enabled:
            yield Finding("hook", True, f"{name} is switched off (hooks.{name}.enabled)")
            continue
        answer = probe("hook", {"name": name, "events": hook.events})
        cure = "" if answer["ok"] else str(answer.get("cure") or "its own fault: ask whoever wrote it")
        yield Finding("hook", bool(answer["ok"]), f"{name}: {answer['what']}", cure)
    others = [offer for offer in offers() if offer.entry_point.name not in settings.hooks]
    if others:
        told = ", ".join(f"{offer.entry_point.name} ({offer.package})" for offer in others)
        yield Finding("hook", True, f"installed, but not set up by a table [hooks.NAME]: {told}")
