"""Tables on a terminal as wide as it is, and elsewhere as wide as they need to be."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

_WHERE_NO_TERMINAL_IS_COLUMNS = 1000


def table_console() -> Console:
    """Standard output. In a pipe or a file nothing is folded or cut: whoever reads there looks for whole lines."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_WHERE_NO_TERMINAL_IS_COLUMNS)


def print_table(console: Console, table: Table) -> None:
    """Print it, without the blanks that fill up its lines where no terminal is."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())
