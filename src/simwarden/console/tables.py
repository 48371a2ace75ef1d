"""Tables that a phone can show: each cell carries the name of its column, so that a row can stand as a card."""

from __future__ import annotations

import re

_INNERMOST = re.compile(r"<table\b(?:(?!<table\b).)*?</table>", re.DOTALL)
_KEPT = re.compile(r"<kept-(\d+)>")
_HEAD = re.compile(r"<thead\b.*?</thead>", re.DOTALL)
_ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[hd])\b([^>]*)>(.*?)(?=</\1>)", re.DOTALL)
_SPAN = re.compile(r'colspan="(\d+)"')
_TAG = re.compile(r"<[^>]*>")


def labelled(html: str) -> str:
    """The same page, with `data-label` on the cells of tables that have a head; `html`: of our own templates.

    A cell without content gets none, nor does one under a heading that only screen readers see. Values are escaped
    there already, so that every `<` is a tag's.
    """
    done: list[str] = []

    def keep(found: re.Match[str]) -> str:
        done.append(_table(found[0]))
        return f"<kept-{len(done) - 1}>"

    while "<table" in html and html != (outer := _INNERMOST.sub(keep, html)):
        html = outer
    while done and _KEPT.search(html):
        html = _KEPT.sub(lambda found: done[int(found[1])], html)
    return html


def _table(html: str) -> str:
    head = _HEAD.search(html)
    if head is None:
        return html
    names: list[str] = []
    for cell in _CELL.finditer(head[0]):
        is_seen = "unseen" not in cell[3] and "unseen" not in cell[2]
        name = " ".join(_TAG.sub("", cell[3]).split()).replace('"', "&quot;") if is_seen else ""
        names += [name] * _width(cell)
    return html[: head.end()] + _ROW.sub(lambda row: _row(row[0], names), html[head.end() :])


def _row(html: str, names: list[str]) -> str:
    at = 0

    def cell(found: re.Match[str]) -> str:
        nonlocal at
        name = names[at] if at < len(names) and _width(found) == 1 and found[1] == "td" and found[3].strip() else ""
        at += _width(found)
        label = f' data-label="{name}"' if name else ""
        return f"<{found[1]}{found[2]}{label}>{found[3]}"

    return _CELL.sub(cell, html)


def _width(cell: re.Match[str]) -> int:
    span = _SPAN.search(cell[2])
    return int(span[1]) if span else 1
