"""What filters of templates make of values."""

from __future__ import annotations

from simwarden.console.rendering import timed


def test_times_in_a_sentence_become_elements_and_nothing_else_of_it_becomes_markup() -> None:
    found = timed("<b> since 2026-11-22T21:45:15+00:00, 1 < 2")
    assert found.startswith("&lt;b&gt; since <time datetime=")
    assert found.endswith(">2026-11-22 21:45:15</time>, 1 &lt; 2")
    assert timed("never & nowhere") == "never &amp; nowhere"
