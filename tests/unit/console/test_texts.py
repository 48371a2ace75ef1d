"""The catalogues hold the same keys, and templates hold no text of their own."""

from __future__ import annotations

import re
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest

import simwarden.console
from simwarden.console import page, texts
from simwarden.domain.events import EventType

ROOM = Path(str(simwarden.console.__file__)).parent
TEMPLATES = sorted(ROOM.rglob("*.html"))
SPOKEN = ("alt", "title", "placeholder", "aria-label", "value")
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
UNITS = {"km", "m", "s", "B"}


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", sorted(set(texts.LANGUAGES) - {texts.DEFAULT}))
def test_catalogues_hold_the_same_keys_and_values(language: str) -> None:
    ours, theirs = texts.catalogue(texts.DEFAULT), texts.catalogue(language)
    assert set(ours) == set(theirs)
    assert {key for key, text in ours.items() if names(text) != names(theirs[key])} == set()
    assert [key for key, text in theirs.items() if not text.strip()] == []


def test_every_text_that_is_named_is_there() -> None:
    known = texts.catalogue(texts.DEFAULT)
    named = {
        key
        for file in [*TEMPLATES, *ROOM.rglob("*.py")]
        for key in re.findall(r"""\bt\(\s*["']([a-z_]+(?:\.[A-Za-z0-9_-]+)+)["']\s*[,)]""", file.read_text("utf-8"))
    }
    assert len(named) > 150
    assert named - set(known) == set()


def test_every_event_has_its_words() -> None:
    assert {f"sim.event.{kind}" for kind in EventType} - set(texts.catalogue(texts.DEFAULT)) == set()


def test_every_entry_of_the_navigation_has_its_words() -> None:
    entries = [each for each in page.all_pages() if each.nav is not None]
    known = texts.catalogue(texts.DEFAULT)
    assert {f"{each.name}.nav" for each in entries} <= set(known)
    assert {f"nav.{each.nav.group}" for each in entries if each.nav} <= set(known)
    assert {each.nav.group for each in entries if each.nav} <= set(page.GROUPS)


class _Bare(HTMLParser):
    """Collects words that stand in a template as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.inline.append(f"<{tag} {name}>")
            if name in SPOKEN and tag != "option" and tag != "button" and not (tag == "input" and name == "value"):
                self.handle_data(value or "")
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.inline.append(f"<{tag}>")

    def handle_data(self, data: str) -> None:
        self.found += [word for word in re.findall(r"[^\W\d_]+", data) if word not in UNITS]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOM)))
def test_no_template_has_a_bare_text_or_anything_inline(template: Path) -> None:
    """The policy would keep inline style out, and a bare text is of one language."""
    parser = _Bare()
    parser.feed(_JINJA.sub("", template.read_text("utf-8")))
    allowed = ["Simwarden"] if template.name == "base.html" else []
    assert [word for word in parser.found if word not in allowed] == []
    assert parser.inline == []


def test_the_language_is_the_one_that_was_chosen_or_the_browsers_first_that_there_is() -> None:
    assert texts.chosen("zh", "en") == "zh"
    assert texts.chosen("tlh", "de-DE,de;q=0.9,zh-CN;q=0.8,en;q=0.7") == "zh"
    assert texts.chosen(None, "") == "en"
