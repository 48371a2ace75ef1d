"""Readers for the single values of Ejoin messages.

The same field arrives as a number from one firmware and as text from the next, and the vendor document itself prints
several spellings. Each reader takes whatever JSON gave and returns the one form the platform uses, None for "empty", or
raises `Unreadable`; the caller then keeps the original in `extra`. All are pure. The frequent ones remember their
answers for short texts (`Memo`), because a gateway repeats the same few hundred values for ever.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal
from hashlib import sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from simwarden.southbound.ejoin.messages import CallDirection, Counter
from simwarden.southbound.ejoin.sms_messages import CardLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_TEXT = 4096
"""Longest text kept, in characters; longer ones are cut."""

MAX_CALL_ID = 512
"""Longest Call-ID kept, in characters."""

MAX_DEPTH = 16
"""Deepest nesting kept in `extra`; what lies deeper becomes None."""

MAX_DIGITS = 22
"""Longest run of digits taken for an IMEI, IMSI, ICCID or number: an ICCID has at most 20."""

INT64 = range(-(2**63), 2**63)
EPOCH_END = 2**33

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BLANKS = re.compile(r"\s+")
_DASHES = "-_—–‐‑‒―−－"
_SQUASH = {ord(c): None for c in _DASHES + " \t\r\n ()"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_CODE = re.compile(r"([+-]?[0-9]{1,9})(?![0-9])\s*(.*)", re.DOTALL)
_COUNTER = re.compile(r"(-?[0-9]{1,18})/(-?[0-9]{1,18})")
_PLMN = re.compile(r"([0-9]+)(?:\s+(.*))?", re.DOTALL)
_NUMBER = re.compile(r"\+?[0-9]{1,22}")
_PORT = re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,4})|([A-Za-z]))?")
_REMOTE = re.compile(r"([0-9]{1,4})\.([A-Za-z][A-Za-z0-9_-]{0,31})\.([0-9]{1,6})")
_MAC = re.compile(r"[0-9a-f]{12}")
_SECRET_KEYS = ("pwd", "passw", "passwd", "secret")

T = TypeVar("T")
K = TypeVar("K")


class Unreadable(ValueError):
    """The value is not what its key promises."""


class Memo(dict[K, T], Generic[K, T]):
    """Remembers what `read` made of a value. Keys are texts or integers; long texts are not kept, nor are failures."""

    LIMIT = 8192
    LONGEST = 64

    def __init__(self, read: Callable[[K], T]) -> None:
        super().__init__()
        self.read = read

    def __missing__(self, key: K) -> T:
        value = self.read(key)
        if not isinstance(key, str) or len(key) <= self.LONGEST:
            if len(self) >= self.LIMIT:
                # Starting over is cheaper than tracking age; honest gateways never get here.
                self.clear()
            self[key] = value
        return value


def clean(value: str) -> str:
    """`value` as PostgreSQL can store it: no NUL, lone surrogates replaced, at most MAX_TEXT characters."""
    if not value.isascii() or "\0" in value:
        value = _UNSTORABLE.sub(lambda match: "" if match[0] == "\0" else "�", value)
    return value[:MAX_TEXT]


def raw_content(value: str) -> str:
    """`value` as stored for the idempotency key: where it must be cut, its digest takes the place of the rest."""
    digest = sha256(value.encode(errors="surrogatepass")).hexdigest() if len(value) > MAX_TEXT else ""
    return clean(value) if not digest else f"{clean(value)[: MAX_TEXT - 72]} sha256:{digest}"


def call_id(value: object) -> str | None:
    """A SIP Call-ID: any text that whoever calls likes. Of one over MAX_CALL_ID characters the rest is its digest."""
    words = as_text(value).strip()
    if len(words) > MAX_CALL_ID:
        digest = sha256(words.encode(errors="surrogatepass")).hexdigest()
        words = f"{words[: MAX_CALL_ID - 72]} sha256:{digest}"
    return clean(words) or None


def storable(value: object, depth: int = 0) -> object:
    """A JSON value as PostgreSQL's jsonb can store it: texts clean, integers within 64 bits (others as text), no NaN or
    infinity (None), nesting bounded, passwords blotted out."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value in INT64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return storable_object(value, depth)
    if isinstance(value, list):
        return [storable(item, depth + 1) for item in value]
    return None


def storable_object(value: Mapping[str, object], depth: int = 0) -> dict[str, object]:
    """The same for an object, key by key."""
    return {
        clean(key): "***" if any(word in squash(key) for word in _SECRET_KEYS) else storable(item, depth + 1)
        for key, item in value.items()
    }


def _squash(name: str) -> str:
    return name.translate(_SQUASH).lower()


_squashed = Memo(_squash)


def squash(name: str) -> str:
    """A key or type without dashes of any kind, underscores, blanks and parentheses, in lower case."""
    return _squashed[name]


def as_text(value: object) -> str:
    """A scalar as text; documented texts arrive as numbers from some firmware (v3)."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | float | int) and (not isinstance(value, float) or math.isfinite(value)):
        return str(value)
    raise Unreadable


def text(value: object) -> str | None:
    """Trimmed text, None when nothing is left."""
    return clean(as_text(value)).strip() or None


def compact(value: object) -> str:
    """Text without any blanks: the form in which numbers and addresses are read."""
    return _BLANKS.sub("", as_text(value))


def integer(value: object) -> int | None:
    """A whole number within 64 bits, from a number or text; None when empty."""
    if type(value) is int:
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif value is None or isinstance(value, str):
        plain = compact(value)
        if not plain:
            return None
        if not _INTEGER.fullmatch(plain):
            raise Unreadable
        number = int(plain)
    else:
        raise Unreadable
    if number not in INT64:
        raise Unreadable
    return number


def epoch(value: object) -> int | None:
    """Seconds since 1970, None for 0 and empty ("not yet", 4.4)."""
    seconds = integer(value)
    if seconds is None or seconds == 0:
        return None
    if not 0 < seconds < EPOCH_END:
        raise Unreadable
    return seconds


def flag(value: object) -> bool | None:
    """A truth value from true/false, 0/1 or their texts; None when empty."""
    if isinstance(value, bool):
        return value
    plain = compact(value).lower()
    if plain in {"1", "true"}:
        return True
    if plain in {"0", "false"}:
        return False
    if plain:
        raise Unreadable
    return None


def code(value: object) -> tuple[int | None, str | None]:
    """A leading number and the words after it: `3`, `"3"`, `"3 OK"`, `"201 Caller Hangup"`, `"0 "`."""
    if isinstance(value, float):
        return integer(value), None
    words = as_text(value).strip()
    match = _CODE.match(words)
    if match:
        return int(match[1]), text(match[2])
    if words and words.lstrip("+-")[:1].isdigit():
        raise Unreadable  # a number too long to be a code
    return None, text(words)


def digits(value: object) -> str | None:
    """IMEI, IMSI: the digits as reported, without blanks; None when empty."""
    if isinstance(value, bool | float):
        raise Unreadable
    plain = compact(value)
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) <= MAX_DIGITS):
        raise Unreadable
    return plain


def iccid(value: object) -> str | None:
    """ICCID: the digits as reported, without blanks and without the padding F."""
    return digits(value.rstrip().rstrip("Ff")) if isinstance(value, str) else digits(value)


def phone(value: object) -> str | None:
    """A subscriber's number: digits, perhaps with a leading plus."""
    if isinstance(value, bool | float):
        raise Unreadable
    plain = compact(value)
    if not plain:
        return None
    if not _NUMBER.fullmatch(plain):
        raise Unreadable
    return plain


def mac(value: object) -> str | None:
    """A MAC address as 12 lower-case hex digits, whatever separated them."""
    plain = compact(value).lower()
    if not plain:
        return None
    plain = plain.replace("-", "").replace(":", "").replace(".", "")
    if not _MAC.fullmatch(plain):
        raise Unreadable
    return plain


def ip(value: object) -> str | None:
    """An IP address; the document prints some with blanks inside."""
    plain = compact(value)
    if not plain:
        return None
    try:
        address = ip_address(plain)
    except ValueError:
        raise Unreadable from None
    return clean(str(address))


def decimal(value: object) -> str | None:
    """A decimal as it stands, without blanks."""
    if isinstance(value, float):
        if not math.isfinite(value) or abs(value) >= 1e15:
            raise Unreadable
        return format(Decimal(repr(value)), "f")
    if isinstance(value, bool):
        raise Unreadable
    plain = compact(value)
    if not plain:
        return None
    if not _DECIMAL.fullmatch(plain):
        raise Unreadable
    return plain.removeprefix("+")


def money(value: object) -> str | None:
    """A decimal with two places (4.1 `bal`)."""
    plain = decimal(value)
    if plain is None:
        return None
    # Adding zero turns a minus zero into zero.
    return str(Decimal(plain).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN) + 0)


def counter(value: object) -> Counter | None:
    """An `n/m` counter (4.1); any negative limit is "unlimited".

    The scan of the document turns the minus into `=` and quotes into digits or `l`; no device is known to, but reading
    these costs nothing.
    """
    plain = compact(value)
    if not plain:
        return None
    match = _COUNTER.search(plain.replace("=", "-").replace("l", "1"))
    if not match:
        raise Unreadable
    limit = int(match[2])
    return Counter(int(match[1]), None if limit < 0 else limit)


def operator(value: object) -> tuple[str | None, str | None]:
    """`46000 CHINA MOBILE` as MCC+MNC and name (4.1 `opr`); a bare `0` in front means no network."""
    words = text(value)
    if words is None:
        return None, None
    match = _PLMN.fullmatch(words)
    if not match:
        return None, words
    name = (match[2] or "").strip() or None
    if len(match[1]) in {5, 6}:
        return match[1], name
    return None, name if match[1] == "0" else words


class Position(NamedTuple):
    """Where a card sits."""

    port: int
    slot: int | None = None
    pool: str | None = None
    pool_slot: int | None = None


def position(value: object) -> Position:
    """Port and slot from any of the forms in 4.1 and 4.3: `1.02`, `1.2`, `2B`, `5`, `1.sp128.016`, or a JSON number.

    A JSON number has lost its trailing zero: 1.1 is `1.10`, slot 10 (v3), while the text `1.1` is slot 1.
    """
    if isinstance(value, bool):
        raise Unreadable
    if isinstance(value, float):
        if not 0 < value < 10_000 or abs(value * 100 - round(value * 100)) > 1e-6:
            raise Unreadable
        plain = f"{value:.2f}"
    else:
        plain = compact(value)
    match = _PORT.fullmatch(plain)
    if match:
        port = int(match[1])
        slot = ord(match[3].upper()) - 64 if match[3] else int(match[2] or 0)
        if port:
            return Position(port, slot or None)
    match = _REMOTE.fullmatch(plain)
    if match and int(match[1]):
        return Position(int(match[1]), None, match[2], int(match[3]))
    raise Unreadable


def sim_source(value: object) -> CardLocation:
    """`sim_src` (4.3): 0 or absent is a card in the gateway, 1 one in a pool."""
    number = integer(value) or 0
    if number not in {0, 1}:
        raise Unreadable
    return CardLocation.REMOTE if number else CardLocation.LOCAL


def direction(value: object) -> CallDirection | None:
    """`cdir` (4.4). The vendor's MT is a call the SIM makes, its MO one the SIM gets: not the 3GPP meaning."""
    word = compact(value).upper()
    if not word:
        return None
    if word not in {"MT", "MO"}:
        raise Unreadable
    return CallDirection.OUTBOUND if word == "MT" else CallDirection.INBOUND
