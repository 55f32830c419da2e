"""Which hooks the installed packages offer."""

from __future__ import annotations

import difflib
import importlib.metadata
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from edged.errors import HookUnusable
from edged.hooks import GROUP


@dataclass(frozen=True)
class Offer:
    """An entry point, and the package that has it, e.g. `edged-doorbell 1.2`."""

    entry_point: EntryPoint
    package: str


def offers() -> list[Offer]:
    """All hooks there are, by name. Nothing of them is imported."""
    found = {
        (point.name, point.value): Offer(point, f"{point.dist.metadata['Name']} {point.dist.version}")
        for point in importlib.metadata.entry_points(group=GROUP)
        if point.dist is not None
    }
    return [found[key] for key in sorted(found)]


def offered(name: str) -> Offer:
    """The hook of that name. Raises HookUnusable when there is none, or more than one."""
    known = offers()
    found = [offer for offer in known if offer.entry_point.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        packages = " and ".join(sorted(offer.package for offer in found))
        raise HookUnusable(f"{packages} both offer a hook {name}", "uninstall one of them")
    names = [offer.entry_point.name for offer in known]
    if near := difflib.get_close_matches(name, names, n=1):
        cure = f"did you mean {near[0]}?"
    elif names:
        cure = f"there are: {', '.join(names)}; install its package where edged is installed"
    else:
        cure = "install its package where edged is installed"
    raise HookUnusable(f"no installed package offers a hook {name}", cure)
