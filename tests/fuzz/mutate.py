"""Mutations of JSON documents, forms and bytes: keys, types, nesting, numbers, lengths, encodings, cuts, repeats."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

NUMBERS: list[int | float] = [
    0,
    1,
    -1,
    2,
    255,
    256,
    2**15,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63),
    2**64,
]
NUMBERS += [10**40, 1.1, 1.02, 1e300, -0.0, 0.1, 1e-300, 253402300799, 253402300800, -62135596801]
TEXTS = ["", " ", "\x00", "a\x00b", "\ud800", "\U0001f4a5", "é", "0", "-1", "1.5", "1e5", "true", "null", "[]", "{}"]
TEXTS += ["1.02", "2B", "99.99", "4-32", "0.0", "1.sp128.016", "353689530707903", "000000000000000", "٣٥٣٦٨٩٥٣٠٧٠٧٩٠٣"]
TEXTS += ["' or 1=1 --", "%s%n", "../../etc/passwd", "\r\nX: y", "x" * 300, "9" * 400, "\ufeff"]
TEXTS += [
    "4600009901236981",
    "46000",
    "+8613900000000",
    "0/-1",
    "5/",
    "/",
    "-1/-1",
    "12 OK",
    "not base64 %%",
    "QUJD",
    "=A==",
]
WORDS: list[Any] = [None, True, False, [], {}, [[]], [{}], {"": ""}, [None], *NUMBERS, *TEXTS]
RAW = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"01",
    b"0x1",
    b'"\\ud800"',
    b'"\\u0000"',
    b"'x'",
    b"\xff",
    b"\xc3",
    b"",
]
BYTES = [
    b"\x00",
    b"\xff",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\r\n",
    b"\xe2\x80\x9c",
    b"\xef\xbc\x8c",
    b"9" * 50,
]
ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "gb18030", "utf-7"]

Place = tuple[Any, Any]
"""A container and the key or index in it."""


def places(value: Any, found: list[Place] | None = None) -> list[Place]:
    """Every place of a document that holds a value."""
    found = [] if found is None else found
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        places(inner, found)
    return found


class Mutator:
    """Changes documents by chance: the same chance, the same changes."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._on_places: list[Callable[[Any, Any], None]] = [
            self._replace,
            self._replace,
            self._retype,
            self._tweak,
            self._tweak,
            self._remove,
            self._rename,
            self._repeat,
            self._nest,
            self._swap,
        ]

    def document(self, document: Any) -> Any:
        """A copy with one to four changes in its structure."""
        made = copy.deepcopy(document)
        for _ in range(self.chance.choice((1, 1, 1, 2, 2, 3, 4))):
            there = places(made)
            if not there:
                return made
            container, key = self.chance.choice(there)
            if isinstance(container, list) and key >= len(container):
                continue
            if isinstance(container, dict) and key not in container:
                continue
            self.chance.choice(self._on_places)(container, key)
        return made

    def body(self, document: Any) -> bytes:
        """A changed document as bytes, sometimes with changes below the structure too."""
        kind = self.chance.random()
        made = document if kind < 0.12 else self.document(document)
        raw = json.dumps(made, ensure_ascii=self.chance.random() < 0.5).encode("utf-8", "surrogatepass")
        return self.bytes(raw) if kind < 0.12 or kind > 0.85 else raw

    def bytes(self, raw: bytes) -> bytes:
        """A change to bytes that need not be JSON."""
        chance = self.chance
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(9):
            case 0:
                return raw[:at]
            case 1:
                return raw[at:]
            case 2:
                return raw[:at] + chance.choice(BYTES) + raw[at:]
            case 3:
                return raw[:at] + chance.randbytes(chance.randint(1, 8)) + raw[at + chance.randint(0, 8) :]
            case 4:
                return raw + raw
            case 5:
                text = raw.decode("utf-8", "replace")
                return text.encode(chance.choice(ENCODINGS), "replace")
            case 6:
                spot = raw.find(b":", at)
                end = min((i for i in (raw.find(b",", spot), raw.find(b"}", spot)) if i > 0), default=spot)
                return raw[: spot + 1] + chance.choice(RAW) + raw[end:] if spot > 0 else raw
            case 7:
                return b"[" * chance.choice((1, 50, 2000)) + raw
            case _:
                return raw.replace(b'"', chance.choice((b"'", b"\xe2\x80\x9c", b"")))

    def text(self, text: str) -> str:
        """A change to a text."""
        chance = self.chance
        at = chance.randrange(len(text) + 1)
        return chance.choice(
            [
                text[:at],
                text[at:],
                text[:at] + chance.choice(TEXTS) + text[at:],
                text * chance.choice((2, 40)),
                text.swapcase(),
                text[::-1],
                chance.choice(TEXTS),
                text + " ",
            ]
        )

    def _replace(self, container: Any, key: Any) -> None:
        container[key] = copy.deepcopy(self.chance.choice(WORDS))

    def _retype(self, container: Any, key: Any) -> None:
        value = container[key]
        forms = [str(value), [value], {"value": value}, json.dumps(value), bool(value)]
        if isinstance(value, str) and value.lstrip("-").isdecimal() and value.isascii():
            forms.append(int(value))
        container[key] = self.chance.choice(forms)

    def _tweak(self, container: Any, key: Any) -> None:
        value = container[key]
        if isinstance(value, str):
            container[key] = self.text(value)
        elif isinstance(value, (int, float)):
            container[key] = self.chance.choice([value + 1, value - 1, -value, value * 1000, value / 3, str(value)])
        else:
            self._replace(container, key)

    def _remove(self, container: Any, key: Any) -> None:
        del container[key]

    def _rename(self, container: Any, key: Any) -> None:
        if isinstance(container, dict):
            container[self.text(str(key))] = container.pop(key)

    def _repeat(self, container: Any, key: Any) -> None:
        value = copy.deepcopy(container[key])
        if isinstance(container, list):
            container[key:key] = [copy.deepcopy(value) for _ in range(self.chance.choice((1, 2, 300)))]
        else:
            container[f"{key}{key}"] = value

    def _nest(self, container: Any, key: Any) -> None:
        value = container[key]
        for _ in range(self.chance.choice((1, 3, 100))):
            value = [value] if self.chance.random() < 0.5 else {"a": value}
        container[key] = value

    def _swap(self, container: Any, key: Any) -> None:
        other = (
            self.chance.choice(list(container))
            if isinstance(container, dict)
            else self.chance.randrange(len(container))
        )
        container[key], container[other] = container[other], container[key]
