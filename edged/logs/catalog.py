"""The table of notices as systemd's catalog (journalctl --catalog) and as a page."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from edged.notices import NOTICES, Notice

_HEAD = """\
# What edged's messages in the journal mean, and what to do: `journalctl --catalog -u edged@front`.
# Goes to /usr/lib/systemd/catalog/, then `journalctl --update-catalog`.
# Generated from edged/notices.py: scripts/generate-docs
"""


def catalog(notices: Sequence[Notice] = NOTICES) -> str:
    """systemd/edged.catalog (systemd's documentation, "Journal Message Catalogs")."""
    return _HEAD + "".join(
        f"\n-- {each.id}\nSubject: {each.subject}\nDefined-By: edged\n"
        "Documentation: file:///opt/edged/docs/messages.md\n"
        f"\n{_wrapped(each.meaning)}\n\nWhat to do: {_wrapped(each.cure, len('What to do: '))}\n"
        for each in notices
    )


def _wrapped(text: str, taken: int = 0) -> str:
    return textwrap.fill(" " * taken + text, 78, break_on_hyphens=False, break_long_words=False).lstrip()


_PAGE = """\
# Messages that matter

Generated from edged/notices.py: scripts/generate-docs. Each line of the log that carries one of these names it: in the
journal as `EDGED_NOTICE` and `MESSAGE_ID`, in JSON as `notice` and `message_id`. `journalctl --catalog -u edged@front`
shows what is written here below each line. How the log works is in [operations.md](operations.md#logs).

"""


def page(notices: Sequence[Notice] = NOTICES) -> str:
    """docs/messages.md."""
    entries = "\n".join(
        f"## {each.subject}\n\n`{each.name}`, `{each.id}`\n\n{each.meaning}\n\n**What to do:** {each.cure}\n"
        for each in notices
    )
    return _PAGE + re.sub(r"@([A-Z_]+)@", r"\1", entries)
