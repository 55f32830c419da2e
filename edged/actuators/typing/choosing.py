"""Which keyboard: what is possible on this machine, why the others are not, and the one that is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edged.actuators.typing import hid_gadget, uinput, wayland, x11
from edged.actuators.typing.keyboard import Keyboard
from edged.actuators.typing.layout import load_layout
from edged.errors import KeyboardUnavailable, SettingProblem, SettingsError

Backend = Literal["hid_gadget", "wayland", "x11", "uinput"]
# In the order of `auto`. Whoever made a USB keyboard of this machine wants to type elsewhere; a session takes any
# character; uinput is left for consoles and for desktops that let nobody else type.
BACKENDS: tuple[Backend, ...] = get_args(Backend)
_WHERE = {
    "hid_gadget": "the computer at the USB cable",
    "wayland": "the Wayland session",
    "x11": "the X11 session",
    "uinput": "this machine, as a keyboard of its own",
}


@dataclass(frozen=True)
class KeyboardOptions:
    """What the settings say. `backend` is a name or `auto`; empty names of displays mean those of the environment."""

    backend: str = "auto"
    layout: str = "us"
    hid_device: Path = hid_gadget.DEVICE
    hid_mouse: Path | None = None
    x11_display: str = ""
    wayland_display: str = ""


@dataclass(frozen=True)
class Possibility:
    """One back end: can it be used here? If not, `reason` and `cure` say why and what to do."""

    backend: Backend
    reason: str = ""
    cure: str = ""

    @property
    def possible(self) -> bool:
        """Nothing stands in the way."""
        return not self.reason

    def __str__(self) -> str:
        if self.possible:
            return f"{self.backend}: can type into {_WHERE[self.backend]}"
        return f"{self.backend}: {self.reason}" + (f" ({self.cure})" if self.cure else "")


def survey(options: KeyboardOptions) -> list[Possibility]:
    """Every back end, in the order of `auto`. Looks, presses nothing, changes nothing."""
    obstacles: dict[Backend, Callable[[], tuple[str, str] | None]] = {
        "hid_gadget": lambda: hid_gadget.obstacle(options.hid_device),
        "wayland": lambda: wayland.obstacle(options.wayland_display or None),
        "x11": lambda: x11.obstacle(options.x11_display or None),
        "uinput": uinput.obstacle,
    }
    return [Possibility(backend, *(obstacles[backend]() or ("", ""))) for backend in BACKENDS]


def choose(options: KeyboardOptions) -> Backend:
    """The back end that is set, or the first that is possible. Raises SettingsError and KeyboardUnavailable."""
    for backend in BACKENDS:
        if options.backend == backend:
            return backend
    if options.backend != "auto":
        problem = SettingProblem(
            "backend", options.backend, "there is no such back end", f"auto, {', '.join(BACKENDS)}"
        )
        raise SettingsError([problem], "typing")
    found = survey(options)
    for possibility in found:
        if possibility.possible:
            return possibility.backend
    raise KeyboardUnavailable("typing", "no keyboard is possible here: " + "; ".join(str(each) for each in found))


def open_keyboard(options: KeyboardOptions) -> Keyboard:
    """The keyboard, ready. Raises SettingsError for a layout or back end that is none, else KeyboardUnavailable."""
    layout = load_layout(options.layout)
    backend = choose(options)
    if backend == "hid_gadget":
        return hid_gadget.HidGadgetKeyboard(layout, options.hid_device, options.hid_mouse)
    if backend == "wayland":
        return wayland.WaylandKeyboard(options.wayland_display or None)
    if backend == "x11":
        return x11.X11Keyboard(options.x11_display or None)
    return uinput.UinputKeyboard(layout)
