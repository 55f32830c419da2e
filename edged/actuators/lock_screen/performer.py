"""The lock screen as an actuator: lock, sign out, block, release."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec

from edged.actuators.lock_screen.blocking import Block, Blocks
from edged.actuators.lock_screen.choosing import Target, default_target, target_of
from edged.actuators.lock_screen.locking import lock
from edged.actuators.lock_screen.readiness import Readiness
from edged.actuators.lock_screen.settings import USER_NAME, LockScreenSettings
from edged.actuators.lock_screen.signing_out import sign_out
from edged.actuators.performer import ActionSpec, Control, NoOptions, Wish
from edged.actuators.settings import ActuatorSettings, PolicySettings
from edged.errors import ActionFailed, Cancelled, Later, RequestRefused
from edged.events import iso_utc

_SessionId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{0,64}$")]
_UserName = Annotated[str, msgspec.Meta(pattern=USER_NAME)]


class LockOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose session, at most one of them; none: as the settings say. session: its id, as `loginctl` shows it."""

    user: _UserName = ""
    session: _SessionId = ""
    all: bool = False


class SignOutOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As LockOptions, but never everybody at once."""

    user: _UserName = ""
    session: _SessionId = ""


class BlockOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """seconds: when the block ends by itself; none, or more than the settings allow: as they say."""

    user: _UserName = ""
    session: _SessionId = ""
    all: bool = False
    seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None


ACTIONS: Mapping[str, ActionSpec] = {
    spec.name: spec
    for spec in (
        ActionSpec("lock", "Locks the screen.", options=LockOptions, takes_text=False, timeout_seconds=120),
        ActionSpec(
            "sign_out", "Ends the session; what is not saved is lost.", "countdown", countdown_seconds=10,
            options=SignOutOptions, takes_text=False, timeout_seconds=700, enabled=False,
        ),
        ActionSpec(
            "block", "Locks the screen, and again at once whenever it is unlocked.", options=BlockOptions,
            takes_text=False, timeout_seconds=120, enabled=False, durable=True, resumes=True,
        ),
        ActionSpec("release", "Ends every block; the screen stays locked.", options=NoOptions, takes_text=False),
    )
}  # fmt: skip


class LockScreenPerformer:
    """The sessions of this machine."""

    kind = "lock_screen"
    actions = ACTIONS

    def __init__(self, settings: ActuatorSettings) -> None:
        self._own: LockScreenSettings = getattr(settings, self.kind)
        self._name = settings.actuator
        self._default = default_target(self._own.user, _own_name(), os.geteuid())
        signs_out = bool((settings.policy.get("sign_out") or PolicySettings()).enabled)
        self._blocks = Blocks(self._own)
        self._readiness = Readiness(self._own, self._default, signs_out=signs_out)
        self._wake: Callable[[str], None] = _nobody

    def attach(self, wake: Callable[[str], None]) -> None:
        """As `performer.TakesTurns`."""
        self._wake = wake

    def check(self, wish: Wish) -> None:
        if wish.action == "release":
            return
        self._target(wish)
        if wish.action == "block" and self._own.verify == "none":
            raise RequestRefused("a block must see when somebody unlocks, and lock_screen.verify is none")

    def sensitive(self, wish: Wish) -> bool:
        return False

    def perform(self, wish: Wish, control: Control) -> str:
        try:
            return self._perform(wish, control)
        finally:
            self._readiness.changed()

    def _perform(self, wish: Wish, control: Control) -> str:
        if wish.action == "release":
            return self._release()
        if wish.action == "sign_out":
            return sign_out(self._own, self._target(wish), control)
        if wish.action == "lock":
            return lock(self._own, self._target(wish), control)
        return self._block(wish, control)

    def release(self) -> None:
        # Nobody is kept out any more. The screen stays locked: the password opens it.
        self._blocks.halt()

    def problems(self) -> list[str]:
        return [*self._blocks.problems(), *self._readiness.problems()]

    def close(self) -> None:
        self._blocks.close()

    def _block(self, wish: Wish, control: Control) -> str:
        """One turn of it: the first locks and begins to watch, the last says how it was, those between do nothing."""
        if control.stopping():
            raise Cancelled(f"nothing is blocked any more: {self._blocks.forget(wish.id)}")
        longest = self._own.block_seconds
        block = Block(
            self._target(wish), wish.issued_at, wish.issued_at + min(wish.options["seconds"] or longest, longest)
        )
        # Taken up again after a restart it is watched at once, whether or not it can be locked at this moment.
        if not self._blocks.known(wish.id) and not wish.interrupted:
            lock(self._own, block.target, control)
        if not self._blocks.keep(wish.id, block, resumed=wish.interrupted):
            return f"the block of {block.target} is over: {self._blocks.forget(wish.id)}"
        until = iso_utc(int(block.until * 1e9))
        raise Later(
            f"locked, and {block.target} will be locked again at once when unlocked, until {until} or until "
            f"`edged act {self._name} release`",
            max(0.0, block.left_seconds(time.time())),
        )

    def _release(self) -> str:
        ended = self._blocks.release()
        for job_id in ended:
            self._wake(job_id)
        if not ended:
            raise ActionFailed("nothing is blocked: there was nothing to release")
        return f"{'the block is' if len(ended) == 1 else f'{len(ended)} blocks are'} over; what is locked stays locked"

    def _target(self, wish: Wish) -> Target:
        return target_of(dict(wish.options), self._default)


def _nobody(job_id: str) -> None:
    """Where nobody asked to be told."""


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
