"""Who wants no messages: from one of an account's numbers, or from any. Pure."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from simwarden.domain.errors import InvalidValue, SimwardenError
from simwarden.domain.texts import HELP_WORDS, START_WORDS

ANY_NUMBER = "*"
"""In the place of a number: all numbers of the account."""
MOST_WORDS = 50
_LONGEST = 30


class OptOutSource(enum.StrEnum):
    """Who asked for it."""

    MESSAGE = "MESSAGE"
    """The receiver, by a word that opts out."""
    CUSTOMER = "CUSTOMER"
    OPERATOR = "OPERATOR"


class OptOutEntry(msgspec.Struct, frozen=True):
    """A receiver who wants no messages."""

    number: str
    """Ours: a SIM's phone number, or its IMSI where it has none; `ANY_NUMBER` for all."""
    receiver: str | None
    """None: it was not kept when this was recorded."""
    since: datetime
    source: OptOutSource
    peer: bytes
    """Keyed hash of account and receiver."""

    @property
    def place(self) -> tuple[datetime, str, str]:
        """Where it stands in the list."""
        return self.since, self.number, self.peer.hex()


class TooManyOptOuts(SimwardenError):
    """The account has as many as it may add."""

    status, code = 429, "QUOTA_EXCEEDED"


def checked_words(words: list[str]) -> list[str]:
    """Words that opt out, in capitals and each once. Raises InvalidValue for one that cannot be one."""
    found = sorted({" ".join(word.upper().split()) for word in words})
    if not found or len(found) > MOST_WORDS:
        raise InvalidValue(f"There must be 1 to {MOST_WORDS} words")
    for word in found:
        if not 1 <= len(word) <= _LONGEST:
            raise InvalidValue(f"A word has 1 to {_LONGEST} characters: {word[:40]!r}")
        if word in START_WORDS | HELP_WORDS:
            raise InvalidValue(f"{word} has a meaning of its own")
    return found
