"""No core dumps: for processes whose memory holds pictures, keys, or texts that nobody may see."""

from __future__ import annotations

import resource


def forbid_core_dumps() -> None:
    """A crash of this process, or of one that it starts, leaves nothing on disk; systemd-coredump keeps to it, too."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
