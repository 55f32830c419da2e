"""What only typing has: the section `[typing]`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from edged.actuators.typing.hid_gadget import DEVICE
from edged.actuators.typing.keyboard import LONGEST_HOLD_SECONDS
from edged.settings import option


class SnippetSettings(BaseModel):
    """One named text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    text: str = option("", "The text itself.", max_length=100_000)
    file: Path | None = option(None, "File with the text, instead; its last line end is not typed.")
    sensitive: bool = option(
        False, "A password or the like: must be confirmed each time, and shows in no log and no topic."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> SnippetSettings:
        if bool(self.text) == (self.file is not None):
            raise ValueError("needs either text or file")
        return self


class TypingSettings(BaseModel):
    """Where and how it types."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    backend: Literal["auto", "uinput", "hid_gadget", "x11", "wayland"] = option(
        "auto", "Which keyboard: auto takes the first that is possible of hid_gadget, wayland, x11, uinput."
    )
    layout: str = option(
        "us",
        "Keyboard layout of the computer that is typed into, for uinput and hid_gadget: us, gb, de, fr, es, or with "
        "-windows for a Windows computer.",
    )
    keys_per_second: float = option(25.0, "Typing speed.", unit="1/s", ge=0.1, le=1000)
    hold_seconds: float = option(0.01, "How long each key is down.", unit="s", ge=0, le=LONGEST_HOLD_SECONDS)
    hid_device: Path = option(DEVICE, "The USB gadget's keyboard.")
    hid_mouse: Path | None = option(None, "The USB gadget's mouse, for clicks.")
    x11_display: str = option("", "X11 display, e.g. :0; empty: that of the environment.")
    wayland_display: str = option("", "Wayland display, e.g. wayland-0; empty: that of the environment.")
    snippets: dict[str, str | SnippetSettings] = option(
        {}, 'Named texts: NAME = "text", or [typing.snippets.NAME] with text or file, and sensitive.'
    )
