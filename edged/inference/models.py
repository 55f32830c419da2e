"""The registry of model files, and the store: the folder in which they lie on this device.

`registry.toml` says what each file is; `model_download.py` gets them. Nothing here opens a connection, and
nothing here imports numpy or a runtime, so that the parent process and the command line may ask too.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edged.errors import ModelCorrupt, ModelError, ModelMissing
from edged.settings import InferenceSettings, ModelSettings
from edged.toml_file import read_toml

SYSTEM_DIRECTORY = Path("/var/lib/edged/models")
# Models that came with edged, as in the Debian package: for everybody to read, replaced by whoever put them there.
SHIPPED_DIRECTORY = Path(sys.prefix, "share", "edged", "models")
SPOOF_MODEL = "antispoof_print_replay"
_REGISTRY_FILE = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True)
class Tensor:
    """One input or output. shape includes the batch; meaning says order and range of the values."""

    shape: tuple[int, ...]
    dtype: str
    meaning: str
    name: str = ""


@dataclass(frozen=True)
class Recognition:
    """What goes with an embedding model.

    rank: `auto` takes the lowest there is. runtime: `litert`, or `sface` (OpenCV). threshold: cosine from which two
    pictures show the same person; measured: where it comes from. mean, scale: taken off a pixel, then multiplied.
    impostor_mean, impostor_deviation: of the cosines of different people's pictures; 0: not measured.
    """

    rank: int
    runtime: str
    threshold: float
    measured: str = ""
    mean: float = 0.0
    scale: float = 1.0
    impostor_mean: float = 0.0
    impostor_deviation: float = 0.0


@dataclass(frozen=True)
class ModelEntry:
    """One row of the registry.

    stage: which stage asks for it (`detection`, `landmarks`, `iris`, …); needed: a stage of today does.
    member: path inside the wheel; url: where the file is fetched from if it is in no wheel. any_use: the licence
    allows every use; others are asked for by name; terms: what else is known of the licence. sha256: lower-case hexadecimal. bytes: size of the file.
    recognition: of embedding models.
    """

    name: str
    file: str
    purpose: str
    stage: str
    needed: bool
    licence: str
    sha256: str
    bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    member: str = ""
    url: str = ""
    any_use: bool = True
    terms: str = ""
    recognition: Recognition | None = None


@dataclass(frozen=True)
class Package:
    """The wheel that the files are members of; wheels maps file names to SHA-256, best first."""

    name: str
    version: str
    licence: str
    homepage: str
    wheels: Mapping[str, str]


@functools.cache
def _content() -> dict[str, Any]:
    return read_toml(_REGISTRY_FILE)


def _tensor(row: dict[str, Any]) -> Tensor:
    return Tensor(tuple(row["shape"]), row["dtype"], row["meaning"], row.get("name", ""))


@functools.cache
def registry() -> dict[str, ModelEntry]:
    """Every model edged knows, by name."""
    return {
        name: ModelEntry(
            name=name,
            **{
                **row,
                "inputs": tuple(map(_tensor, row["inputs"])),
                "outputs": tuple(map(_tensor, row["outputs"])),
                "recognition": Recognition(**row["recognition"]) if "recognition" in row else None,
            },
        )
        for name, row in _content()["models"].items()
    }


@functools.cache
def package() -> Package:
    """The wheel the models come from."""
    return Package(**_content()["package"])


def needed(settings: InferenceSettings | None = None) -> list[str]:
    """Names of the models that the stages ask for: as edged is shipped, and those that these settings switch on."""
    names = [entry.name for entry in registry().values() if entry.needed]
    if settings is not None and settings.recognition.enabled:
        wanted = settings.recognition.model
        names.append(best_of("recognition") if wanted == "auto" else wanted)
    if settings is not None and settings.liveness.enabled:
        names.append(SPOOF_MODEL)
    if settings is not None and settings.objects.enabled and settings.objects.file is None:
        names.append(settings.objects.model)
    return names


def best_of(stage: str) -> str:
    """The model of a stage that `auto` likes best: any use allowed, lowest rank."""
    entries = [entry for entry in registry().values() if entry.stage == stage and entry.any_use and entry.recognition]
    return min(entries, key=lambda entry: entry.recognition.rank if entry.recognition else 0).name


def default_directory(settings: ModelSettings | None = None) -> Path:
    """Where model files are looked for.

    The setting `models.directory`, else EDGED_MODELS_DIR, else the user's own folder
    ($XDG_DATA_HOME/edged/models or ~/.local/share/edged/models) or, for root and for users who have none
    of their own, /var/lib/edged/models.
    """
    if settings is not None and settings.directory is not None:
        return settings.directory.expanduser()
    if named := os.environ.get("EDGED_MODELS_DIR"):
        return Path(named).expanduser()
    own = _own_directory()
    if os.geteuid() == 0 or own is None:
        return SYSTEM_DIRECTORY
    # os.path: a folder that this user may not look into is none to them, where Path.is_dir raises PermissionError.
    if not own.is_dir() and os.path.isdir(SYSTEM_DIRECTORY):  # noqa: PTH112
        return SYSTEM_DIRECTORY
    return own


def _own_directory() -> Path | None:
    """The user's own folder; None for users without a home, as systemd's dynamic ones."""
    if base := os.environ.get("XDG_DATA_HOME"):
        return Path(base) / "edged" / "models"
    try:
        return Path.home() / ".local" / "share" / "edged" / "models"
    except RuntimeError:
        return None


def hash_file(path: Path) -> str:
    """SHA-256 of a file, lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


_hashes: dict[tuple[Path, int, int, int], str] = {}


def _hash_of(path: Path, status: os.stat_result) -> str:
    """The hash of a file: computed once, and again only when size, time or inode say that it is another one."""
    identity = (path, status.st_size, status.st_mtime_ns, status.st_ino)
    if identity not in _hashes:
        _hashes[identity] = hash_file(path)
    return _hashes[identity]


class ModelStore:
    """A folder of model files, each checked against the registry before anybody loads it.

    shipped: where else a file is looked for that is not in the folder; nothing is ever written there.
    """

    def __init__(self, directory: Path, shipped: Path = SHIPPED_DIRECTORY) -> None:
        self.directory = directory
        self.shipped = shipped

    def path(self, name: str) -> Path:
        """The file of a model, verified.

        Raises ModelMissing (absent, or not in the registry) and ModelCorrupt (wrong size or SHA-256).
        """
        entry = registry().get(name)
        if entry is None:
            raise ModelMissing(name, "is not in the registry", "edged models list")
        path = self._file(entry)
        cure = self._cure(entry)
        try:
            status = path.stat()
        except OSError as error:
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise ModelMissing(name, f"is not in {self.directory}", cure) from None
            raise ModelMissing(name, f"cannot be reached: {error.strerror}: {path}", "check its permissions") from None
        if status.st_size != entry.bytes:
            raise ModelCorrupt(name, f"{path} has {status.st_size} bytes and must have {entry.bytes}", cure)
        try:
            found = _hash_of(path, status)
        except OSError as error:
            raise ModelMissing(name, f"cannot be read: {error.strerror}: {path}", "check its permissions") from None
        if found != entry.sha256:
            raise ModelCorrupt(name, f"{path} has SHA-256 {found} and must have {entry.sha256}", cure)
        return path

    def problem(self, name: str) -> ModelError | None:
        """What is wrong with a model here, or None."""
        try:
            self.path(name)
        except ModelError as error:
            return error
        return None

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of these models that are not usable here."""
        return [name for name in names if self.problem(name) is not None]

    def _file(self, entry: ModelEntry) -> Path:
        """Where its file is, or would be."""
        own = self.directory / entry.file
        shipped = self.shipped / entry.file
        return shipped if not os.path.lexists(own) and shipped.is_file() else own

    @staticmethod
    def _cure(entry: ModelEntry) -> str:
        return "edged models pull" if entry.needed else f"edged models pull {entry.name}"
