"""Copies of evidence in a store that speaks S3: the only file that imports minio (https://github.com/minio/minio-py).

What is copied is the encrypted file as it is; the key stays here. The folder of evidence is the spool: a file that has a
copy has a mark beside it, and what has none is tried again until it has, or until it is deleted for its age.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edged.errors import SettingProblem, SettingsError, UploadFailed
from edged.evidence.album import SUFFIX, Entry
from edged.settings.keeping import EvidenceUploadSettings

if TYPE_CHECKING:
    from minio import Minio

ACCESS_CREDENTIAL, SECRET_CREDENTIAL = "s3_access_key", "s3_secret_key"
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0


class Uploader:
    """Puts files in one bucket."""

    def __init__(self, settings: EvidenceUploadSettings, environment: Mapping[str, str] = os.environ) -> None:
        """Raises SettingsError where a key or the library is missing."""
        self._settings = settings
        access = _secret(settings.access_key_file, ACCESS_CREDENTIAL, "access_key_file", environment)
        secret = _secret(settings.secret_key_file, SECRET_CREDENTIAL, "secret_key_file", environment)
        self._client = _client(settings, access, secret)

    def put(self, entry: Entry, camera: str) -> str:
        """Copy one file; the name of the copy. Raises UploadFailed, and OSError when the file cannot be read."""
        from minio.error import MinioException, S3Error
        from urllib3.exceptions import HTTPError

        name = self.name(entry, camera)
        try:
            self._client.fput_object(self._settings.bucket, name, str(entry.path))
        except S3Error as error:
            raise UploadFailed(f"{self._settings.endpoint} refuses {name}: {error.code}", refused=True) from None
        except (MinioException, HTTPError, ValueError) as error:
            # Messages of the library may carry addresses with signatures in them.
            raise UploadFailed(f"{self._settings.endpoint} cannot be reached ({type(error).__name__})") from None
        return name

    def name(self, entry: Entry, camera: str) -> str:
        """Where the copy of a file is: folder, camera, day (UTC), event."""
        day = time.strftime("%Y-%m-%d", time.gmtime(entry.begun_at))
        return "/".join(filter(None, (self._settings.folder, camera, day, f"{entry.event}{SUFFIX}")))


def _client(settings: EvidenceUploadSettings, access: str, secret: str) -> Minio:
    try:
        import urllib3
        from minio import Minio
    except ImportError:
        cure = "scripts/add s3, in edged's folder"
        raise SettingsError([SettingProblem("evidence.upload", None, "needs the library minio", cure)]) from None
    address = urlsplit(settings.endpoint)
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        # Whoever waits and tries again is the caller.
        retries=urllib3.Retry(total=0),
        cert_reqs="CERT_REQUIRED",
        ca_certs=None if settings.ca_file is None else str(settings.ca_file),
    )
    return Minio(
        address.netloc,
        access_key=access,
        secret_key=secret,
        region=settings.region,
        secure=address.scheme == "https",
        http_client=pool,
    )


def _secret(path: Path | None, credential: str, option: str, environment: Mapping[str, str]) -> str:
    """The first line of the file, else of the systemd credential. Raises SettingsError, never with its content."""
    at = f"evidence.upload.{option}"
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if path is None and folder and (Path(folder) / credential).exists():
        path = Path(folder) / credential
    if path is None:
        cure = f"name a file, or give a systemd credential named {credential}"
        raise SettingsError([SettingProblem(at, None, "is not set", cure)])
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise SettingsError([SettingProblem(at, str(path), f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        # `from None`: the exception carries the bytes.
        raise SettingsError([SettingProblem(at, str(path), "is not ASCII text")]) from None
    if not lines or not lines[0].strip():
        raise SettingsError([SettingProblem(at, str(path), "is empty", "its first line is the key")])
    return lines[0].strip()
