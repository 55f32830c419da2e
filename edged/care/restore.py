"""Putting a backup back: everything is checked first, then all files are put in their places together (`store.swap`).

What is not in the backup stays as it is. A block of the seat or an emergency stop that is in force now stays in force:
a restore must not be a way around the key that releases it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edged.actuators.loading import load_actuator
from edged.care.backup import owner_ids
from edged.care.backup_file import Item, Manifest, opened
from edged.care.places import PARTS, Places, SettingsFile, is_root, migrations_of, places
from edged.configuration.loading import load_with_origins
from edged.errors import BackupError, RestoreUnfinished, SettingsError, StoreError
from edged.store import audit
from edged.store.audit_check import verify
from edged.store.database import Database, Error, damage, shape_of
from edged.store.directory import InstanceLock
from edged.store.gallery import GALLERY_FILE, Gallery
from edged.store.gallery_seal import KEY_FILE
from edged.store.kept import Kept
from edged.store.swap import Swap, claim, decided, discard, finish, settle
from edged.toml_file import read_toml

_HEAD = audit.NAME.replace(".jsonl", ".head")
_RUNNING = re.compile(r"process (\d+) holds")
_USER = "edged"


@dataclass
class Plan:
    """What a restore will do. steps: one sentence for each file. warnings: what its owner should know first."""

    manifest: Manifest
    steps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Staged:
    """A file that is ready to be put in its place."""

    item: Item
    root: Path
    path: Path

    @property
    def target(self) -> Path:
        return self.root / self.item.name


def contents(path: Path, passphrase: str) -> Manifest:
    """What is in a backup; all of it is read and checked against its seals and digests. Raises BackupError."""
    with opened(path, passphrase) as backup:
        backup.read_all(lambda _: None)
        return backup.manifest


def restore(
    path: Path,
    passphrase: str,
    *,
    settings: Path | None = None,
    state: Path | None = None,
    only: Iterable[str] = (),
    agree: Callable[[Plan], bool],
) -> Plan | None:
    """Put a backup back; None: `agree` said no, and nothing was changed. settings, state: the folders, as for `places`.

    Raises BackupError and StoreError, and nothing was changed then; but for RestoreUnfinished, which says how to go on.
    """
    with contextlib.ExitStack() as stack:
        backup = stack.enter_context(opened(path, passphrase))
        wanted = set(only) or set(PARTS)
        chosen = [item for item in backup.manifest.items if item.part in wanted]
        if not chosen:
            there = ", ".join(sorted({item.part for item in backup.manifest.items}))
            raise BackupError(f"{path.name} has no {', '.join(sorted(wanted))} (it has {there})")
        where = places(settings, state, backup.manifest)
        roots = {"state": where.state, "settings": where.settings}
        _make_root(where.state, 0o700, _USER)
        if any(item.root == "settings" for item in chosen):
            _make_root(where.settings, 0o750, "root")
        _check_room(chosen, roots)
        stack.enter_context(claim(where.state))
        finish(where.state)  # what one before had decided
        _keep_out(stack, where.state, chosen)
        swap = Swap(where.state)
        stack.callback(_abandon_unless_decided, swap, where.state)
        with _plainly(where):
            staged = {
                item.path: _Staged(item, roots[item.root], swap.place(roots[item.root], item.name)) for item in chosen
            }
            backup.read_all(lambda item: staged[item.path].path if item.path in staged else None)
            plan = Plan(backup.manifest)
            _check(staged, plan)
            _merge_kept(staged, time.time())
            _merge_trail(staged, swap, where.state, plan)
            _describe(staged, plan)
            if not agree(plan):
                return None
            for one in staged.values():
                _give(one)
            swap.commit()
    if (where.state / audit.NAME).exists():
        parts = sorted({item.part for item in chosen})
        data = {"what": "restored", "file": path.name, "made_at": plan.manifest.made_at, "parts": parts}
        audit.note(where.state, "backup", data, by="edged restore")
    return plan


def resume(where: Places) -> bool:
    """Finish a restore that was cut off; False: there was none to finish. Raises StoreError."""
    there = decided(where.state)
    settle(where.state)
    with contextlib.suppress(OSError):
        discard(where.settings)
    return there


# --- before -------------------------------------------------------------------------------------------------------


def _make_root(root: Path, mode: int, owner: str) -> None:
    """As an installation has it. Raises BackupError."""
    if root.is_dir():
        return
    try:
        root.mkdir(mode=mode, parents=True)
        if is_root() and root.parts[1] in ("etc", "var"):
            with contextlib.suppress(KeyError):  # nobody is called so here
                os.chown(root, pwd.getpwnam(owner).pw_uid, pwd.getpwnam(_USER).pw_gid)
    except OSError as error:
        raise BackupError(f"{root} cannot be made: {error.strerror} (use sudo, or --settings and --state)") from None


def _check_room(chosen: list[Item], roots: dict[str, Path]) -> None:
    """The old files stay until the new ones are in their places. Raises BackupError."""
    needed: dict[int, int] = {}
    for item in chosen:
        device = roots[item.root].stat().st_dev
        # A database is opened and brought to the newest shape before.
        needed[device] = needed.get(device, 0) + item.bytes * 2 + 65536
    for root in set(roots.values()):
        if not root.is_dir():
            continue
        wanted, free = needed.get(root.stat().st_dev, 0), shutil.disk_usage(root).free
        if free < wanted:
            raise BackupError(
                f"{root} has {free // 1_000_000} MB free, and {wanted // 1_000_000} MB are needed (make room)"
            )


def _keep_out(stack: contextlib.ExitStack, state: Path, chosen: list[Item]) -> None:
    """Hold the locks of all who could use the folder. Raises BackupError, naming who does."""
    names = {path.name.removesuffix(".lock") for path in state.glob("*.lock") if not path.name.startswith(".")}
    names |= {item.name.removesuffix(".kept.json") for item in chosen if item.name.endswith(".kept.json")}
    for name in sorted(names):
        try:
            stack.enter_context(InstanceLock(state, name, restoring=True))
        except StoreError as error:
            if (holder := _RUNNING.search(str(error))) is None:
                raise BackupError(str(error)) from None
            unit = f"edged-{name.replace('-', '@', 1)}" if name.startswith("actuator-") else f"edged@{name}"
            raise BackupError(
                f"{name} runs (process {holder[1]}), and a restore needs it stopped: sudo systemctl stop {unit}"
            ) from None


@contextlib.contextmanager
def _plainly(where: Places) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if decided(where.state):
            raise RestoreUnfinished(
                f"the restore was decided and could not be finished: {error.filename}: {error.strerror} "
                "(sudo edged restore --resume)"
            ) from None
        raise BackupError(f"{error.filename or where.state} cannot be written: {error.strerror} (use sudo?)") from None


def _abandon_unless_decided(swap: Swap, state: Path) -> None:
    if not decided(state):
        with contextlib.suppress(OSError):
            swap.abandon()


# --- checks -------------------------------------------------------------------------------------------------------


def _check(staged: dict[str, _Staged], plan: Plan) -> None:
    """Raises BackupError for what this version cannot use."""
    for one in staged.values():
        if one.item.root == "state" and one.item.name.endswith(".db"):
            _check_database(one)
        if one.item.part == "kept" and one.item.name.endswith(".kept.json"):
            _read_kept(one.path, one.item.name)
        if one.item.part == "settings":
            _check_settings(one, plan)
    _check_gallery(staged, plan)
    if (trail := staged.get(f"state/{audit.NAME}")) is not None:
        problems = verify(trail.path.parent).problems
        plan.warnings += [f"the audit trail in the backup: {problem}" for problem in problems[:3]]


def _check_database(one: _Staged) -> None:
    migrations = migrations_of(one.item.name)
    try:
        if newer := shape_of(one.path, migrations).unknown:
            raise BackupError(
                f"{one.item.name} was written by a newer edged (it has {', '.join(newer)}): install that one, or a later one, "
                "before this backup is put back"
            )
    except Error as error:
        raise BackupError(f"{one.item.name} in the backup is damaged: {error}") from None
    if problems := damage(one.path):
        raise BackupError(f"{one.item.name} in the backup is damaged: {problems[0]}")
    try:
        Database(one.path, migrations, replace_damaged=False).close()  # to the newest shape
    except StoreError as error:
        raise BackupError(f"{one.item.name} in the backup cannot be used: {error}") from None


def _check_gallery(staged: dict[str, _Staged], plan: Plan) -> None:
    gallery = staged.get(f"state/{GALLERY_FILE}")
    if gallery is None:
        return
    keys = [one.path for one in staged.values() if one.item.part == "gallery" and one is not gallery]
    if not keys:
        raise BackupError("the backup has a gallery without its key: nobody in it would count")
    with Gallery(gallery.path.parent, keys[0]) as opened_gallery:
        if problems := opened_gallery.problems():
            raise BackupError(f"the gallery in the backup was tampered with: {problems[0]}")
    if keys[0].name != KEY_FILE or staged.get(f"state/{KEY_FILE}") is None:
        plan.warnings.append(
            f"the gallery counts only with its key {keys[0].name}: see that inference.recognition.key_file names it"
        )


def _check_settings(one: _Staged, plan: Plan) -> None:
    """What this version refuses is said; its owner decides."""
    try:
        file = SettingsFile(one.target, read_toml(one.path))
        if file.actuator:
            load_actuator(file.name, one.path, environment={})
        else:
            load_with_origins(one.path, environment={})
    except SettingsError as error:
        told = "; ".join(
            f"{problem.path}: {problem.reason}" if problem.path else problem.reason for problem in error.problems
        )
        plan.warnings.append(f"this version refuses {one.item.name}: {told}")


def _read_kept(path: Path, name: str) -> Kept:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    except msgspec.MsgspecError as error:
        raise BackupError(f"{name} in the backup is damaged: {error}") from None
    if kept.version > Kept().version:
        raise BackupError(
            f"{name} was written by a newer edged (version {kept.version}): install that one, or a later one, before this "
            "backup is put back"
        )
    return kept


# --- what is here and must not be lost -----------------------------------------------------------------------------


def _merge_kept(staged: dict[str, _Staged], now: float) -> None:
    """Signed commands from before `now` (Unix seconds) may have been carried out; a block and a pause that are in force
    stay: nobody is looked at who was told that nobody looks.
    """
    for one in staged.values():
        if not one.item.name.endswith(".kept.json"):
            continue
        kept = _read_kept(one.path, one.item.name)
        here = Kept()
        with contextlib.suppress(OSError, BackupError):
            here = _read_kept(one.target, one.item.name)
        merged = msgspec.structs.replace(
            kept, trusted_since=now, nonces={**kept.nonces, **here.nonces}, blocked=here.blocked or kept.blocked,
            paused=here.paused or kept.paused,
        )  # fmt: skip
        one.path.write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=1))


def _merge_trail(staged: dict[str, _Staged], swap: Swap, state: Path, plan: Plan) -> None:
    """The trail that is here stays if it goes on from the backup's; otherwise it is set aside, and not lost."""
    trail = staged.get(f"state/{audit.NAME}")
    if trail is None or not (state / audit.NAME).exists():
        return
    head = verify(trail.path.parent).head
    if head is not None and _has(state, head):
        for name in (audit.NAME, _HEAD):
            if staged.pop(f"state/{name}", None) is not None:
                swap.drop(state, name)
        plan.steps.append(f"keep     {state / audit.NAME}: it goes on from the one in the backup")
        return
    aside = f"audit-{time.time_ns() // 1_000_000_000}.jsonl"
    place = swap.place(state, aside)
    shutil.copyfile(state / audit.NAME, place)
    staged[f"state/{aside}"] = _Staged(Item("audit", "state", aside, 0, "", 0o600), state, place)
    plan.warnings.append(f"the audit trail that is here is another one than the backup's: it is kept as {aside}")


def _has(state: Path, head: audit.Head) -> bool:
    for path in [*state.glob("audit-*.jsonl"), state / audit.NAME]:
        with path.open("rb") as source:
            for line in source:
                record = audit.parse(line.rstrip(b"\n"))
                if record is not None and record.seq == head.seq and audit.link(line.rstrip(b"\n"))[0] == head.hash:
                    return True
    return False


def _describe(staged: dict[str, _Staged], plan: Plan) -> None:
    for one in sorted(staged.values(), key=lambda each: (list(PARTS).index(each.item.part), str(each.target))):
        plan.steps.append(f"{'replace' if one.target.exists() else 'add':<8} {one.target}")


def _give(one: _Staged) -> None:
    """The rights that the file had; the owner it had, if there is one of that name here. Raises OSError."""
    if one.item.root == "state":
        mode, (user, group) = 0o600, (-1, -1)
    else:
        # Never more than it had, and a key never to everybody.
        mode, (user, group) = one.item.mode & (0o770 if one.item.part != "settings" else 0o777), owner_ids(one.item)
    folder = one.root.stat()
    fd = os.open(one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if is_root():
            os.fchown(fd, folder.st_uid if user < 0 else user, folder.st_gid if group < 0 else group)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
