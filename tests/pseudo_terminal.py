"""Pairs of pseudo-terminals, where the machine has any."""

from __future__ import annotations

import os

import pytest


def open_terminal() -> tuple[int, int]:
    """File descriptors of both ends; skips where /dev/pts is not mounted, as in a bare chroot."""
    try:
        return os.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminals here: {error} (mount -t devpts devpts /dev/pts)")


def need_terminals() -> None:
    """Skips where there are none: for programs that open their own."""
    for end in open_terminal():
        os.close(end)
