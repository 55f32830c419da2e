"""Rubbish of every sort, from a seed."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from typing import Any

from edged.configuration.options import leaves

_PATHS = [leaf.path for leaf in leaves()]
_VALUES: list[Any] = [[], {}, {"a": {"b": 1}}, -1e9, 10**15, [[[[1]]]], "x" * 5000, True, 1.5, "12", {"": 1}]


def _nested(path: list[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def bad_config(chance: random.Random) -> Iterator[bytes]:
    """Payloads for `config/change`, most of them wrong; the caller looks whether one happens to be right."""
    while True:
        path = chance.choice(_PATHS).split(".")
        match chance.randrange(8):
            case 0:
                path[-1] += chance.choice(string.ascii_lowercase)
            case 1:
                path.insert(chance.randrange(len(path) + 1), chance.choice(["x", "gaze2", "settings", "", "ä" * 50]))
            case 2:
                yield bytes(chance.randrange(256) for _ in range(chance.randrange(1, 200))) + b"{"
                continue
            case 3:
                yield json.dumps({"judgement": {"gaze": {"dwell_seconds": 2}}}).encode()[: -chance.randrange(1, 9)]
                continue
            case 4:
                yield chance.choice(
                    [b"[" * 40_000, b'{"a":' * 300 + b"1" + b"}" * 300, b"NaN", b'{"a":NaN}', b'{"a":1e999}']
                )
                continue
            case 5:
                yield json.dumps(_nested(path, 1)).encode(chance.choice(["utf-16", "utf-32", "utf-8-sig"]))
                continue
            case _:
                pass
        yield json.dumps(_nested(path, chance.choice(_VALUES))).encode()


def bad_commands(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Names and payloads for `command/{name}` that ask for nothing there is."""
    names = ["restart", "pause", "resume", "snapshot", "reconnect"]
    while True:
        wrong = "".join(chance.choice(string.printable.replace("+", "").replace("#", "").replace("/", "")[:90])
                        for _ in range(chance.randrange(1, 30)))  # fmt: skip
        match chance.randrange(5):
            case 0:
                yield wrong, b"{}"
            case 1:
                yield chance.choice(names) + chance.choice("sxz_1"), b""
            case 2:
                yield chance.choice(names), bytes(chance.randrange(128, 256) for _ in range(chance.randrange(1, 99)))
            case 3:
                body: Any = chance.choice([[], 1, "x", {"transaction": 1}, {"transaction": []}, {"paused": "no"}])
                yield chance.choice(names), json.dumps(body).encode()
            case _:
                yield chance.choice(names), json.dumps({"transaction": "x" * chance.randrange(257, 70_000)}).encode()
