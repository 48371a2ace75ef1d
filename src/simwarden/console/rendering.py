"""Templates: escaped, strict about what is not there, in the visitor's language."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jinja2
from jinja2.utils import missing
from markupsafe import Markup

from simwarden.console import assets, tables, texts, tiles, words
from simwarden.console.alarm_texts import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|\+00:00)")
"""As the API writes times into its sentences."""
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_BLANK = re.compile(r"\n\s*\n+")


class Absent(jinja2.ChainableUndefined):
    """A property that an API's answer does not have: nothing, and false. A name that nobody gave is an error."""

    def __new__(cls, hint: str | None = None, obj: Any = missing, name: str | None = None, *_more: Any) -> Any:
        """As Jinja makes it: with the object that has no such property; without one it is a name."""
        return jinja2.StrictUndefined(hint, obj, name) if obj is missing else super().__new__(cls)


@cache
def environment() -> jinja2.Environment:
    """All templates: shared ones by name, a page's by `FOLDER/NAME.html`."""
    package = __package__ or "simwarden.console"
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(package, "templates"), jinja2.PackageLoader(package, "pages")],
        ),
        autoescape=True,
        undefined=Absent,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.filters["when"] = _when
    made.filters["said"] = _said
    made.filters["timed"] = timed
    made.filters["amount"] = amount
    made.filters["octets"] = octets
    made.filters["digits"] = digits
    made.globals.update(
        asset=assets.path, address=address, languages=texts.LANGUAGES, tone=words.tone, tiles=tiles.behind
    )
    return made


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """The page as HTML."""
    return tables.labelled(_BLANK.sub("\n", environment().get_template(template).render(values)))


def moment(value: str | datetime) -> datetime:
    """A time of an API's answer."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found.astimezone(UTC)


@jinja2.pass_context
def _when(context: jinja2.runtime.Context, value: str | datetime | None, form: str = "time") -> Markup:
    """The filter `when`, which knows the visitor's language."""
    visit = context.get("visit")
    return when(value, form, visit.language if visit else "en")


@jinja2.pass_context
def _said(context: jinja2.runtime.Context, alarm: Mapping[str, Any], part: str) -> str:
    """The filter `said`: a sentence of an alarm in the visitor's language."""
    visit = context.get("visit")
    return sentence(alarm, part, visit.language if visit else texts.DEFAULT)


def when(value: str | datetime | None, form: str = "time", language: str = "en") -> Markup:
    """A time as an element that a script turns into the viewer's zone; `form`: time, ago or day. Until then UTC.

    How long ago it is stands there as the script will say it, so that nothing moves.
    """
    if not value:
        return Markup('<span class="none">–</span>')
    at = moment(value)
    exact = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shown = f"{at:%Y-%m-%d}" if form == "day" else f"{at:%Y-%m-%d %H:%M:%S}"
    if form == "ago" and (seconds := round((datetime.now(UTC) - at).total_seconds())) >= 0:
        long_enough = (each for each in _UNITS if seconds >= each[1] * (2 if each[0] == "day" else 1))
        unit, size = next(long_enough, _UNITS[-1])
        shown = texts.text(language, f"common.ago_{unit}", count=seconds // size)
    return Markup('<time datetime="{}" data-form="{}" title="{}">{}</time>').format(exact, form, exact, shown)


def timed(text: str) -> Markup:
    """A sentence of the API, whose times the viewer sees in their own zone."""
    parts, at = Markup(), 0
    for found in _TIME.finditer(text):
        parts += text[at : found.start()] + when(found[0])
        at = found.end()
    return parts + text[at:]


def octets(count: int) -> str:
    """A volume as people say it, in steps of 1000: `4.2 MB`."""
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.0f} {units[0]}" if units[0] == "B" or size >= 100 else f"{size:.1f} {units[0]}"


def amount(value: float | None) -> str:
    """A number with its thousands parted: `12,345`, `3.4`."""
    if value is None:
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{int(value):,}"


def digits(value: str | None) -> Markup:
    """An identifier, in digits of one width, which can be copied whole."""
    if not value:
        return Markup('<span class="none">–</span>')
    return Markup('<span class="id">{}</span>').format(value)


def address(path: str, query: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A path with its query; `changes` replace parameters of `query`, None removes one."""
    merged = {**(query or {}), **changes}
    pairs = [
        (name, each)
        for name, value in merged.items()
        for each in (value if isinstance(value, (list, tuple)) else (value,))
        if each is not None and each != ""
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path
