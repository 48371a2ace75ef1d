"""What filters of templates make of values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simwarden.console.rendering import timed, when


def test_times_in_a_sentence_become_elements_and_nothing_else_of_it_becomes_markup() -> None:
    found = timed("<b> since 2026-11-22T21:45:15+00:00, 1 < 2")
    assert found.startswith("&lt;b&gt; since <time datetime=")
    assert found.endswith(">2026-11-22 21:45:15</time>, 1 &lt; 2")
    assert timed("never & nowhere") == "never &amp; nowhere"


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (90, "1m ago", "1分钟前"),
        (5400, "1h ago", "1小时前"),
        (100_000, "27h ago", "27小时前"),
        (200_000, "2d ago", "2天前"),
    ],
)
def test_how_long_ago_is_said_as_the_script_will_say_it(seconds: int, english: str, chinese: str) -> None:
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    assert when(at, "ago").endswith(f">{english}</time>")
    assert when(at, "ago", "zh").endswith(f">{chinese}</time>")
    assert when(at + timedelta(days=9), "ago").count("-") > 3, "a clock that is ahead"
