"""Sleep until a word of shared memory changes (futex(2)): no polling, no lock that a dead process could hold."""

from __future__ import annotations

import ctypes
import platform

_WAIT, _WAKE = 0, 1
_WAKE_ALL = 0x7FFFFFFF
_LOW_HALF = 0xFFFFFFFF


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _number() -> int | None:
    """The system call's number; 32-bit x86 and ARM share one, also under a 64-bit kernel."""
    if ctypes.sizeof(ctypes.c_void_p) == 4:
        return 240
    return {"x86_64": 202, "aarch64": 98, "riscv64": 98}.get(platform.machine())


_NUMBER = _number()
AVAILABLE = _NUMBER is not None

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (
    ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32,
)  # fmt: skip


def wait(address: int, expected: int, timeout_seconds: float) -> int:
    """Sleep while the 32-bit word at `address` is the low half of `expected`. Returns 0 when woken, else the errno:
    EAGAIN (it was different already), ETIMEDOUT, EINTR (a signal; its Python handler runs before this returns).
    """
    whole = int(timeout_seconds)
    limit = _Timespec(whole, int((timeout_seconds - whole) * 1e9))
    if _syscall(_NUMBER, address, _WAIT, expected & _LOW_HALF, ctypes.addressof(limit), None, 0) == 0:
        return 0
    return ctypes.get_errno()


def wake(address: int) -> None:
    """Wake everyone, in any process, who sleeps on the word at `address`."""
    _syscall(_NUMBER, address, _WAKE, _WAKE_ALL, None, None, 0)
