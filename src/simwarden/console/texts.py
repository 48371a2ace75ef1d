"""The catalogues: every text of the console in every language, by its key.

`texts/LANGUAGE.toml` holds what pages share; a page's folder has a `LANGUAGE.toml` of its own, whose keys begin with
the folder's name. `{name}` in a text stands for a value.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LANGUAGES = MappingProxyType({"en": "English", "zh": "中文"})
"""By code, what each calls itself."""
DEFAULT = "en"


class NoText(KeyError):
    """No catalogue holds this key."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of a language, by key."""
    console = resources.files(__package__ or "simwarden.console")
    found: dict[str, str] = {}
    for prefix, folder in (
        ("", console / "texts"),
        *((f"{each.name}.", each) for each in (console / "pages").iterdir()),
    ):
        file = folder / f"{language}.toml"
        if file.is_file():
            found.update(_flat(tomllib.loads(file.read_text(encoding="utf-8")), prefix))
    return MappingProxyType(found)


def text(language: str, key: str, **values: Any) -> str:
    """One text. Raises NoText."""
    found = catalogue(language).get(key)
    if found is None:
        raise NoText(key)
    return found.format(**values) if values else found


def has(key: str) -> bool:
    """Whether there is such a text."""
    return key in catalogue(DEFAULT)


def chosen(cookie: str | None, accepted: str) -> str:
    """The language for a visit: the one that was chosen, else the first that the browser names and we have."""
    if cookie is not None and cookie in LANGUAGES:
        return cookie
    for part in accepted.split(","):
        name = part.partition(";")[0].strip().lower().partition("-")[0]
        if name in LANGUAGES:
            return name
    return DEFAULT


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
