"""Options as people write them, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from edged.actuators.lock_screen.performer import ACTIONS as LOCKING
from edged.actuators.options import read_options
from edged.actuators.typing.performer import ACTIONS as TYPING
from edged.errors import RequestRefused


def test_a_number_where_a_name_belongs_is_that_name() -> None:
    assert read_options(TYPING["key"], {"chord": 5}) == {"chord": "5"}
    assert read_options(LOCKING["lock"], {"session": 3})["session"] == "3"


@pytest.mark.parametrize(
    ("action", "options", "said"),
    [
        ("key", {}, "key needs the option 'chord' (edged act … -o chord=…)"),
        ("key", {"chord": "a", "key": "b"}, "there is no option 'key' (there are chord)"),
        ("click", {"button": "foo"}, "button must be one of left, "),
        ("key", {"chord": True}, "Expected `str`, got `bool`"),
    ],
)
def test_what_is_wrong_is_said_in_words(action: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_options(TYPING[action], options)
    assert said in str(caught.value)
