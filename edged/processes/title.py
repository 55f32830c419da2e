"""Names a process: what `ps`, `top` and the log call it. The only file that imports setproctitle."""

from __future__ import annotations

import setproctitle


def process_name(camera: str, process: str = "") -> str:
    """`edged[front]` for the daemon, `edged[front] inference` for a child."""
    return f"edged[{camera}] {process}".rstrip()


def set_title(name: str) -> None:
    """Show this process under `name`."""
    setproctitle.setproctitle(name)
