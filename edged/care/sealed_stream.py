r"""A stream that only holders of a passphrase can read, and nobody can change, cut or reorder unnoticed.

    edged backup 1\n
    {"kdf": "scrypt", "n": …, "r": 8, "p": …, "salt": …}\n
    chunk 0, chunk 1, …

The key is scrypt's (RFC 7914) of the passphrase and a random salt, so it is of this file alone. Each chunk is 64 KiB,
the last one less or as much, sealed with ChaCha20-Poly1305 (RFC 8439), both lines as associated data. Its nonce is its number
in 11 bytes and one byte that says whether it is the last: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár,
"Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015). Not AES: a Raspberry Pi 4 has no
instructions for it.
"""

from __future__ import annotations

import io
import os
import unicodedata
from typing import IO, Any

import msgspec

from edged.errors import BackupError

MAGIC = b"edged backup 1\n"
_FAMILY = b"edged backup "
CHUNK_BYTES = 64 * 1024
_TAG_BYTES = 16
_SALT_BYTES = 32
_KEY_BYTES = 32
_HEADER_LIMIT = 1024
# 64 MiB and about a second on a small board; OWASP's figures (Password Storage Cheat Sheet) for so much memory.
_N, _R, _P = 1 << 16, 8, 2
# A header that asks for more than this is somebody's attempt to exhaust the machine.
_MOST_N, _MOST_P = 1 << 18, 8


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kdf: str
    n: int
    r: int
    p: int
    salt: str


class SealingWriter(io.RawIOBase):
    """Seals what is written to it. `close` writes the last chunk; without it the file counts as cut off."""

    def __init__(self, sink: IO[bytes], passphrase: str) -> None:
        salt = os.urandom(_SALT_BYTES)
        header = _Header("scrypt", _N, _R, _P, salt.hex())
        self._head = MAGIC + msgspec.json.encode(header) + b"\n"
        self._cipher = _cipher(passphrase, header)
        self._sink = sink
        self._waiting = bytearray()
        self._number = 0
        sink.write(self._head)

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        """Raises OSError."""
        view = memoryview(content).cast("B")
        self._waiting += view
        # A full chunk is kept back until there is more: it could be the last.
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(view)

    def finish(self) -> None:
        """Write the last chunk. Raises OSError."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._sink.write(self._cipher.encrypt(_nonce(self._number, last), chunk, self._head))
        self._number += 1


class OpeningReader(io.RawIOBase):
    """Reads what `SealingWriter` wrote. Nothing is handed out before its seal was checked.

    Raises BackupError for what is no such file, was written by a newer edged, sealed with another passphrase, changed or cut.
    """

    def __init__(self, source: IO[bytes], passphrase: str, name: str) -> None:
        """name: of the file, for errors."""
        self._source = source
        self._name = name
        first = source.readline(len(MAGIC) + 16)
        if first != MAGIC:
            if first.startswith(_FAMILY):
                raise BackupError(f"{name} was written by a newer edged: open it with that one, or a later one")
            raise BackupError(f"{name} is no backup of edged, or its first line was changed")
        line = source.readline(_HEADER_LIMIT)
        self._head = first + line
        self._cipher = _cipher(passphrase, _read_header(line, name))
        self._number = 0
        self._clear = b""
        self._ended = False
        self._next = source.read(CHUNK_BYTES + _TAG_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._clear and not self._ended:
            self._open_chunk()
        view = memoryview(buffer).cast("B")
        taken = self._clear[: len(view)]
        view[: len(taken)] = taken
        self._clear = self._clear[len(taken) :]
        return len(taken)

    def _open_chunk(self) -> None:
        from edged.cryptography_library import InvalidTag

        sealed, self._next = self._next, self._source.read(CHUNK_BYTES + _TAG_BYTES)
        last = not self._next
        try:
            self._clear = self._cipher.decrypt(_nonce(self._number, last), sealed, self._head)
        except InvalidTag:
            pass
        else:
            self._number += 1
            self._ended = last
            return
        if self._number == 0:
            raise BackupError(f"{self._name} cannot be opened: the passphrase is another one, or the file was changed")
        raise BackupError(
            f"{self._name} was changed or cut after {self._number * CHUNK_BYTES} bytes: nothing of it is used "
            "(take another copy)"
        )


def _cipher(passphrase: str, header: _Header) -> Any:
    from edged.cryptography_library import ChaCha20Poly1305, Scrypt

    # The same letters typed on another system may be other code points.
    secret = unicodedata.normalize("NFC", passphrase).encode()
    try:
        kdf = Scrypt(salt=bytes.fromhex(header.salt), length=_KEY_BYTES, n=header.n, r=header.r, p=header.p)
        return ChaCha20Poly1305(kdf.derive(secret))
    except MemoryError:
        raise BackupError(
            f"there is not enough memory for the passphrase: {128 * header.n * header.r >> 20} MiB are needed"
        ) from None


def _read_header(line: bytes, name: str) -> _Header:
    try:
        header = msgspec.json.decode(line, type=_Header)
        salt = bytes.fromhex(header.salt)
    except ValueError:  # msgspec's errors are ValueErrors
        raise BackupError(f"{name}: its second line was changed or cut") from None
    power_of_two = header.n > 1 and header.n & (header.n - 1) == 0
    fair = power_of_two and header.n <= _MOST_N and header.r == _R and 1 <= header.p <= _MOST_P
    if header.kdf != "scrypt" or len(salt) != _SALT_BYTES or not fair or not line.endswith(b"\n"):
        raise BackupError(f"{name}: its second line was changed or cut")
    return header


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
