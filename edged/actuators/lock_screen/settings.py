"""What only the lock screen has: the section `[lock_screen]`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from edged.settings import option

Way = Literal["logind", "screensaver", "xdg_screensaver"]
Verify = Literal["any", "locked_hint", "screensaver", "process", "none"]

# They end when somebody unlocks; a locker that stays in the background says nothing by being there.
_LOCKERS = ["swaylock", "i3lock", "hyprlock", "gtklock", "waylock", "slock", "xsecurelock", "xtrlock", "physlock"]
# Linux cuts the names of processes to this length.
_NAME_BYTES = 15
# What useradd takes, and what directories have: DOMAIN\\name, name@domain.
USER_NAME = r"^[A-Za-z0-9_.@\\$-]{0,256}$"
_ADDRESS = r"^$|^unix:(path|abstract)=[^;]+$"


class LockScreenSettings(BaseModel):
    """Whose screen is locked, how, and how that is made sure of."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    user: str = option(
        "",
        "Whose sessions are meant where a request names none; empty: those of the user it runs as, or, as root or as a "
        "system user, of whoever sits at the machine.",
        pattern=USER_NAME,
    )
    consoles: bool = option(
        False, "Text consoles are locked, too; a desktop begun with startx is one to logind, and needs this."
    )
    ways: list[Way] = option(
        ["logind", "screensaver", "xdg_screensaver"],
        "How it is locked, one after the other until it is: logind asks the desktop; screensaver asks GNOME, KDE, "
        "Cinnamon, MATE, Xfce or whoever else has a screensaver on D-Bus; xdg_screensaver runs `xdg-screensaver lock`.",
        min_length=1,
    )
    verify: Verify = option(
        "any",
        "What shows that it is locked: locked_hint (logind's), screensaver (the desktop's says that it is active), "
        "process (one of `lockers` runs), any of them; none believes it without looking.",
    )
    verify_seconds: float = option(
        3.0, "It must be locked within this time, or the next way is tried.", unit="s", ge=0.2, le=30
    )
    attempts: int = option(3, "So often all ways are tried.", ge=1, le=10)
    pause_seconds: float = option(1.0, "Pause between attempts.", unit="s", ge=0, le=30)
    lockers: list[str] = option(
        _LOCKERS, "Names of programs that run exactly as long as the screen is locked, for verify = process."
    )
    sign_out_seconds: float = option(
        100.0,
        "A session must be gone within this time; systemd kills what does not end by itself after 90 s.",
        unit="s",
        ge=1,
        le=600,
    )
    block_seconds: float = option(
        3600.0, "Longest block; a request may ask for less. It ends by itself then.", unit="s", ge=1, le=86400
    )
    system_bus: str = option(
        "", "D-Bus address of the system bus; empty: DBUS_SYSTEM_BUS_ADDRESS, or the usual one.", pattern=_ADDRESS
    )
    session_bus: str = option(
        "",
        "D-Bus address of the desktops' buses, where {uid} is the user's number; empty: for one's own desktop "
        "DBUS_SESSION_BUS_ADDRESS, else unix:path=/run/user/{uid}/bus.",
        pattern=_ADDRESS,
    )

    @field_validator("lockers")
    @classmethod
    def _names(cls, names: list[str]) -> list[str]:
        for name in names:
            if not name or "/" in name or len(name.encode()) > _NAME_BYTES:
                raise ValueError(
                    f"{name!r} is no name of a process: 1 to {_NAME_BYTES} bytes without a slash, as `ps -o comm` shows it"
                )
        return names
