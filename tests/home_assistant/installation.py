"""Finds or makes a Home Assistant: in a venv of this machine, or in a Debian root of its own with a newer Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Home Assistant wants a newer Python every year; the newest release that installs is what is tried.
NEWER_PYTHONS = ("python3.14", "python3.13")
SUITE = "trixie"  # Debian with Python 3.13
# Some of what it needs is there as source only.
_PACKAGES = ("ca-certificates", "python3", "python3-venv", "python3-dev", "gcc", "libc6-dev")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Enters a root in a mount namespace of its own: whatever happens, no mount is left behind. The process stays the same
# one, so that a signal reaches what runs inside.
_ENTER = (
    'root=$1; shift; for each in proc dev sys; do mount --rbind "/$each" "$root/$each"; done; '
    "exec env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PIP_DEFAULT_TIMEOUT=180 "
    f'SSL_CERT_FILE={_CERTIFICATES} PIP_CERT={_CERTIFICATES} chroot "$root" "$@"'
)
# Run by Home Assistant's own Python: what the integrations that are set up need, as their manifests say.
_REQUIREMENTS = """
import json, pathlib, homeassistant
from homeassistant import bootstrap
folder = pathlib.Path(homeassistant.__file__).parent
wanted = [*bootstrap.DEFAULT_INTEGRATIONS, *bootstrap.CORE_INTEGRATIONS, *{extra!r}]
seen, found = set(), set()
while wanted:
    name = wanted.pop()
    if name not in seen:
        seen.add(name)
        manifest = json.loads((folder / "components" / name / "manifest.json").read_text())
        wanted += manifest.get("dependencies", [])
        found.update(manifest.get("requirements", []))
print(json.dumps([str(folder / "package_constraints.txt"), *sorted(found)]))
"""
_INTEGRATIONS = ("mqtt", "api", "websocket_api", "config", "device_automation", "diagnostics")


class InstallationError(Exception):
    """Home Assistant could not be installed; says why."""


@dataclass(frozen=True)
class Installation:
    """A Home Assistant that is ready to run.

    version, python: e.g. "2026.2.3" and "3.13.5". root: the Debian root it lives in, if it has one.
    interpreter: its Python, as seen from inside. folder: where its files may be put, as seen from outside.
    """

    version: str
    python: str
    root: Path | None
    interpreter: str
    folder: Path

    @property
    def release(self) -> tuple[int, int]:
        """Year and month of the release."""
        year, month = self.version.split(".")[:2]
        return int(year), int(month)

    def command(self, *arguments: str) -> list[str]:
        """What runs its Python with these arguments."""
        return _inside(self.root, self.interpreter, *arguments)

    def path(self, outside: Path) -> str:
        """A path of this machine as Home Assistant sees it."""
        return str(outside) if self.root is None else "/" + str(outside.relative_to(self.root))


def prepare(work: Path, *, way: str = "auto", version: str = "", say: Callable[[str], None] = print) -> Installation:
    """Install Home Assistant below the work folder, or find it there from an earlier time.

    way: `machine` for the Python that runs this, `root` for a Debian root, a path for another Python, or `auto`: a newer
    Python if there is one, else a root if we may make one, else this machine's. Raises InstallationError.
    """
    work.mkdir(parents=True, exist_ok=True)
    if way == "auto":
        way = _choose()
    if way == "root":
        root = work / SUITE
        _make_root(root, say)
        return _install(root, "/usr/bin/python3", root / "home-assistant", version, say)
    python = sys.executable if way == "machine" else way
    return _install(None, python, work / f"home-assistant-{_version_of(python)}", version, say)


def _choose() -> str:
    if sys.version_info >= (3, 13):
        return "machine"
    for name in NEWER_PYTHONS:
        # A shim of a version manager may stand for a Python that is not installed.
        if (found := shutil.which(name)) and _version_of(found):
            return found
    return "root" if os.geteuid() == 0 and shutil.which("debootstrap") else "machine"


def _version_of(python: str) -> str:
    """E.g. "3.13"; empty if it does not run or can make no venv."""
    asked = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", asked], check=False, capture_output=True, text=True)
    return "" if done.returncode else done.stdout.strip()


def _inside(root: Path | None, *command: str) -> list[str]:
    if root is None:
        return list(command)
    return ["unshare", "--mount", "--propagation", "private", "bash", "-c", _ENTER, "enter", str(root), *command]


def _make_root(root: Path, say: Callable[[str], None]) -> None:
    ready = root / ".ready"
    if not ready.exists():
        say(f"making a Debian {SUITE} root in {root}")
        _run(["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", SUITE, str(root)])
        ready.touch()
    # The network, the package index and the certificates are this machine's.
    for name in ("/etc/resolv.conf", "/etc/hosts", _CERTIFICATES):
        if Path(name).exists():
            (root / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, root / name[1:])


def _install(root: Path | None, python: str, folder: Path, version: str, say: Callable[[str], None]) -> Installation:
    folder = folder.with_name(f"{folder.name}-{version}") if version else folder
    venv = str(folder / "venv") if root is None else f"/{folder.name}/venv"
    interpreter = f"{venv}/bin/python"
    described = folder / "installed.json"
    if not described.exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = f"homeassistant=={version}" if version else "homeassistant"
        say(f"installing {wanted} in {folder}")
        _run(_inside(root, python, "-m", "venv", "--clear", venv))
        pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        # Some releases want what newer setuptools have dropped.
        _run(_inside(root, *pip, wanted, "setuptools<81"))
        listed = _run(_inside(root, interpreter, "-c", _REQUIREMENTS.format(extra=_INTEGRATIONS)))
        constraints, *requirements = json.loads(listed.splitlines()[-1])
        _run(_inside(root, *pip, "--constraint", constraints, *requirements))
        told = _run(_inside(root, interpreter, "-c",
                            "import json, platform, homeassistant.const as const; "
                            "print(json.dumps([const.__version__, platform.python_version()]))"))  # fmt: skip
        described.write_text(told.splitlines()[-1], encoding="utf-8")
    installed, with_python = json.loads(described.read_text(encoding="utf-8"))
    return Installation(installed, with_python, root, interpreter, folder)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-5:]
        raise InstallationError(f"{' '.join(command[-4:])}: exit status {done.returncode}\n" + "\n".join(last))
    return done.stdout
