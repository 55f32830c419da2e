"""Say of each wheel in a site-packages folder whose it is and what its licence is, as stanzas of debian/copyright.

`wheel_licences.py SITE_PACKAGES PREFIX`: PREFIX is where the folder will be, without the leading /.
"""

# ruff: noqa: INP001  # run by scripts/build-deb, imported by nobody
from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

_TEXTS = re.compile(r"(?i)(licen[cs]e|copying|notice|authors)")
_SHORT = 60


def first(metadata: PackageMetadata, field: str) -> str:
    """The first line of this name; empty where there is none."""
    return str((metadata.get_all(field) or [""])[0]).strip()


def licence(metadata: PackageMetadata) -> str:
    """Its name: the SPDX expression where there is one, else what its maker wrote in a line, else its classifiers."""
    for field in ("License-Expression", "License"):
        said = first(metadata, field)
        if said and "\n" not in said and len(said) <= _SHORT and said.upper() != "UNKNOWN":
            return said
    named = [
        one.rsplit("::", 1)[1].strip()
        for one in metadata.get_all("Classifier") or []
        if one.startswith("License ::") and one != "License :: OSI Approved"
    ]
    return " and ".join(named) or "see the files beside it"


def holder(metadata: PackageMetadata) -> str:
    """Who made it, in one line, without addresses."""
    for field in ("Author", "Author-email", "Maintainer", "Maintainer-email"):
        said = re.sub(r"\s*<[^>]*>", "", first(metadata, field)).strip(' "')
        if said and "@" not in said:
            return " ".join(said.split())
    return f"The authors of {metadata['Name']}"


def folders(distribution: Distribution) -> list[str]:
    """Its own folders and files at the top of site-packages."""
    tops = {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}
    return sorted(tops)


def stanza(distribution: Distribution, folder: Path, prefix: str) -> str:
    """One wheel. The licence's name is prefixed with the wheel's, as each wheel says it in words of its own."""
    metadata = distribution.metadata
    files = "\n ".join(
        f"{prefix}/{top}/*" if (folder / top).is_dir() else f"{prefix}/{top}" for top in folders(distribution)
    )
    texts = sorted(
        {str(file) for file in distribution.files or [] if _TEXTS.search(file.name) and "dist-info" in str(file)}
    )
    where = (
        "".join(f"\n /{prefix}/{text}" for text in texts)
        or "\n (the wheel has no licence file; its maker names the licence above)"
    )
    return (
        f"Files: {files}\nCopyright: {holder(metadata)}\n"
        f"License: {metadata['Name']}-licence\n {licence(metadata)}\n .\n The full text is in:{where}\n"
        f"Comment: {metadata['Name']} {metadata['Version']}\n"
    )


def stanzas(folder: Path, prefix: str) -> Iterator[str]:
    """All wheels but edged itself, by name."""
    found = sorted(distributions(path=[str(folder)]), key=lambda one: one.metadata["Name"].lower())
    for distribution in found:
        if distribution.metadata["Name"] != "edged":
            yield stanza(distribution, folder, prefix)


if __name__ == "__main__":
    sys.stdout.write("\n".join(stanzas(Path(sys.argv[1]), sys.argv[2])))
