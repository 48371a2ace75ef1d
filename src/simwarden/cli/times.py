"""Times and days as people type them."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"(\d{1,6})([smhd])")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _now() -> dt.datetime:
    return dt.datetime.now().astimezone()


class Moment(click.ParamType[str]):
    """A time: 30m, 2h or 1d ago, 12:00 of today (or of yesterday, where that is still to come), a day, RFC 3339."""

    name = "time"

    def __init__(self, now: Callable[[], dt.datetime] = _now) -> None:
        self._now = now

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The time as the API takes it."""
        text = str(value).strip()
        found = self._relative(text)
        if found is None:
            try:
                found = dt.datetime.fromisoformat(text)
            except ValueError:
                self.fail(f"{text!r} is no time: give 30m, 2h, 1d, 12:00, today, 2026-11-20 or RFC 3339", param, ctx)
            if found.tzinfo is None:
                found = found.astimezone()
        return found.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")

    def _relative(self, text: str) -> dt.datetime | None:
        now = self._now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if text in ("today", "yesterday"):
            return midnight - dt.timedelta(days=text == "yesterday")
        if text == "noon":
            text = "12:00"
        if ago := _AGO.fullmatch(text):
            return now - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if clock := _CLOCK.fullmatch(text):
            then = midnight.replace(hour=int(clock[1]), minute=int(clock[2]))
            return then if then <= now else then - dt.timedelta(days=1)
        return None


class Day(click.ParamType[str]):
    """A day in UTC: today, yesterday or as 2026-11-20."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The day as the API takes it."""
        text = str(value).strip()
        today = dt.datetime.now(dt.UTC).date()
        if text in ("today", "yesterday"):
            return (today - dt.timedelta(days=text == "yesterday")).isoformat()
        try:
            return dt.date.fromisoformat(text).isoformat()
        except ValueError:
            self.fail(f"{text!r} is not a day, as 2026-11-20", param, ctx)


class Seconds(click.ParamType[int]):
    """A number of seconds, or 30m, 24h, 7d."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """In seconds."""
        text = str(value).strip()
        if text.isascii() and text.isdigit() and len(text) < 10:
            return int(text)
        if found := _AGO.fullmatch(text):
            return int(dt.timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds())
        return self.fail(f"{text!r} is no duration: give seconds, or 30m, 24h, 7d", param, ctx)
