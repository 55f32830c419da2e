from __future__ import annotations

from typing import Any

import pytest

from edged.actuators.lock_screen.choosing import Target, default_target, endable, left_open, lockable, target_of
from edged.actuators.lock_screen.logind import Session
from edged.errors import ActionFailed, RequestRefused


def session(session_id: str, **more: Any) -> Session:
    given: dict[str, Any] = {
        "path": f"/s/{session_id}", "user": "anna", "uid": 1000, "seat": "seat0", "kind": "wayland", "role": "user",
        "state": "active", "active": True, "remote": False, "locked": False, "display": "", "tty": "",
    }  # fmt: skip
    return Session(session_id, **{**given, **more})


DESKTOP = session("2")
CONSOLE = session("3", kind="tty", tty="tty4", state="online", active=False)
OVER_SSH = session("4", kind="tty", tty="pts/0", seat="", remote=True)
GREETER = session("c1", user="gdm", uid=42, role="greeter")
BOB = session("5", user="bob", uid=1001, active=False, state="online")
OVER_RDP = session("6", user="bob", uid=1001, kind="x11", seat="", remote=True, active=True)
LEAVING = session("7", state="closing")
ALL = [DESKTOP, CONSOLE, OVER_SSH, GREETER, BOB, OVER_RDP, LEAVING]


def test_of_a_user_the_desktops_are_locked_and_no_shell() -> None:
    assert lockable(ALL, Target("user", "anna"), consoles=False) == [DESKTOP]


def test_desktops_from_afar_are_locked_too() -> None:
    assert lockable(ALL, Target("user", "bob"), consoles=False) == [BOB, OVER_RDP]


def test_all_means_everybody_and_never_the_login_screen() -> None:
    assert lockable(ALL, Target("all"), consoles=False) == [DESKTOP, BOB, OVER_RDP]


def test_whoever_sits_here_is_the_one_in_front_of_the_screen() -> None:
    assert lockable(ALL, Target("seated"), consoles=False) == [DESKTOP]


def test_consoles_are_locked_if_that_is_wished_and_a_shell_over_ssh_never() -> None:
    assert lockable(ALL, Target("user", "anna"), consoles=True) == [DESKTOP, CONSOLE]
    assert left_open(ALL, Target("user", "anna"), [DESKTOP]) == [CONSOLE]
    assert left_open(ALL, Target("user", "anna"), [DESKTOP, CONSOLE]) == []


def test_that_a_console_has_nothing_that_locks_is_said_with_the_way_out() -> None:
    with pytest.raises(ActionFailed, match=r"session 3 of anna \(text console tty4\): nothing there listens .*startx"):
        lockable([CONSOLE], Target("user", "anna"), consoles=False)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target("user", "eve"), r"eve is not logged in; there are: session 2 of anna \(wayland\), "),
        (Target("session", "99"), "there is no session 99; there are: session 2"),
        (Target("session", "c1"), r"session c1 is not somebody's \(greeter, active\)"),
        (Target("session", "7"), r"session 7 is not somebody's \(user, closing\)"),
    ],
)
def test_who_is_not_there_is_named_with_those_who_are(target: Target, words: str) -> None:
    with pytest.raises(ActionFailed, match=words):
        lockable(ALL, target, consoles=False)


def test_where_nobody_is_logged_in_all_are_locked_and_one_is_not() -> None:
    assert lockable([GREETER], Target("all"), consoles=False) == []
    with pytest.raises(ActionFailed, match=r"nobody sits at this machine .*; there are: nobody is logged in"):
        lockable([GREETER], Target("seated"), consoles=False)


def test_a_session_named_by_its_id_is_signed_out_whatever_it_is() -> None:
    assert endable(ALL, Target("session", "4"), consoles=False) == [OVER_SSH]
    assert endable(ALL, Target("user", "anna"), consoles=False) == [DESKTOP]
    with pytest.raises(ActionFailed, match="session 7 is not somebody's"):
        endable(ALL, Target("session", "7"), consoles=False)


def test_a_request_means_one_thing() -> None:
    default = Target("user", "anna")
    assert target_of({"user": "", "session": "", "all": False}, default) == default
    assert target_of({"user": "bob", "session": ""}, default) == Target("user", "bob")
    assert target_of({"session": "4"}, default) == Target("session", "4")
    assert target_of({"all": True}, default) == Target("all")
    with pytest.raises(RequestRefused, match="user and all are not given together"):
        target_of({"user": "bob", "all": True}, default)


def test_without_a_user_in_the_settings_it_is_ones_own_or_whoever_sits_there() -> None:
    assert default_target("bob", "anna", 1000) == Target("user", "bob")
    assert default_target("", "anna", 1000) == Target("user", "anna")
    assert default_target("", "root", 0) == Target("seated")
    assert default_target("", "edged", 998) == Target("seated")
