"""The only file that imports sqlite-utils.

It looks for numpy and pandas, to store their types, and would load them into a daemon that has no use for them and
counts its megabytes: while it is imported they are not to be found.
"""

from __future__ import annotations

import sys

_KEPT_OUT = ("numpy", "pandas")

_absent = [name for name in _KEPT_OUT if name not in sys.modules]
for _name in _absent:
    sys.modules[_name] = None  # type: ignore[assignment]  # this is how an import is made to fail (sys.modules, docs)
try:
    from sqlite_utils import Database, Migrations
finally:
    for _name in _absent:
        sys.modules.pop(_name, None)

__all__ = ["Database", "Migrations"]
