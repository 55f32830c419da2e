"""How an option is declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Remote = Literal["live", "restart", "never"]


def option(default: Any, sentence: str, *, remote: Remote = "never", unit: str = "", **limits: Any) -> Any:
    """Declare one setting: its default, its one sentence, its unit, its limits, and who may change it."""
    extra: dict[str, Any] = {"remote": remote}
    if unit:
        extra["unit"] = unit
    return Field(default, description=sentence, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """A table of options. Values cannot be changed, and an error never shows what was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


Fraction = Annotated[float, Field(ge=0, le=1)]
