"""Links between pages lead somewhere, and the index knows every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    links = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    own = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in own if link and not (page.parent / link).exists()] == []


def test_the_index_names_every_page() -> None:
    index = (REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")} - {"README.md"}
    assert pages - set(LINK.findall(index)) == set()


CITED = re.compile(r"\b(?:ADRs?|[Dd]ecisions?)[\s\-#*/]+(\d{4})\b|\badr/(\d{4})")
"""A decision that is cited: `ADR 0013`, `decision 0009` (also broken over two lines of a comment), `docs/adr/0013`."""
TEXTS = {".py", ".sql", ".md", ".yaml", ".yml", ".toml", ".html", ".conf", ".service"}


def decisions() -> dict[str, str]:
    return {path.name[:4]: path.name for path in (REPOSITORY / "docs" / "adr").glob("[0-9]*.md")}


@pytest.mark.parametrize("folder", ["src", "docs", "tests", "benchmarks", "deploy"])
def test_every_decision_that_is_cited_exists(folder: str) -> None:
    missing = [
        f"{path.relative_to(REPOSITORY)}: {number}"
        for path in sorted((REPOSITORY / folder).rglob("*"))
        if path.suffix in TEXTS and path.is_file()
        for each in CITED.finditer(path.read_text(encoding="utf-8", errors="replace"))
        if (number := each[1] or each[2]) not in decisions()
    ]
    assert missing == []


UNDER_WAY = {28, 41, 45, 53, 54, 55}
"""Numbers of decisions that are being written beside others. A number goes from here when its page comes."""


def test_decisions_are_numbered_without_gaps_or_doubles() -> None:
    numbers = sorted(int(path.name[:4]) for path in (REPOSITORY / "docs" / "adr").glob("[0-9]*.md"))
    assert len(set(numbers)) == len(numbers)
    assert set(range(1, numbers[-1])) - set(numbers) <= UNDER_WAY


def test_a_citation_is_found_in_any_form() -> None:
    text = "(ADR 0001), decision 0002, Decision\n# 0003, [0004](docs/adr/0004-x.md)"
    assert [each[1] or each[2] for each in CITED.finditer(text)] == ["0001", "0002", "0003", "0004"]


LIVES = re.compile(r"`([\w/]+\.py)`(?: \(`(\w+)`\))?")


def test_what_the_glossary_says_of_the_code_is_true() -> None:
    source = REPOSITORY / "src" / "simwarden"
    rows = [line for line in (REPOSITORY / "docs" / "glossary.md").read_text("utf-8").splitlines() if "| **" in line]
    named = [found.groups() for line in rows if (found := LIVES.search(line))]
    assert len(named) > 0.9 * len(rows)
    wrong = []
    for path, name in named:
        text = (source / path).read_text(encoding="utf-8") if (source / path).exists() else None
        if text is None or (name and not re.search(rf"^(?:class|(?:async )?def) {name}\b", text, re.MULTILINE)):
            wrong.append(f"{path} {name or ''}".strip())
    assert wrong == []
