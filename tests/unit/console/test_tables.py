"""Cells of tables carry the names of their columns."""

from __future__ import annotations

from simwarden.console.tables import labelled


def test_a_cell_has_its_columns_name_and_neither_a_heading_nor_an_empty_cell_has_one() -> None:
    head = (
        '<thead><tr><th>Name</th><th class="num">A &amp; "B"</th><th><span class="unseen">End</span></th></tr></thead>'
    )
    body = '<tbody><tr><th scope="row">x</th><td class="num">1</td><td><a>go</a></td></tr><tr><th>y</th><td> </td></tr>'
    found = labelled(f"<p>before</p><table>{head}{body}</tbody></table><p>after</p>")
    cells = (
        '<tr><th scope="row">x</th><td class="num" data-label="A &amp; &quot;B&quot;">1</td><td><a>go</a></td></tr>'
        "<tr><th>y</th><td> </td></tr>"
    )
    assert found == f"<p>before</p><table>{head}<tbody>{cells}</tbody></table><p>after</p>"


def test_wide_cells_count_for_the_columns_that_they_cover() -> None:
    found = labelled(
        "<table><thead><tr><th>A</th><th>B</th><th>C</th></tr></thead>"
        '<tr><td colspan="2">both</td><td>c</td></tr></table>'
    )
    assert found.endswith('<tr><td colspan="2">both</td><td data-label="C">c</td></tr></table>')


def test_a_table_in_a_cell_has_columns_of_its_own() -> None:
    inner = "<table><thead><tr><th>In</th></tr></thead><tr><td>1</td></tr></table>"
    found = labelled(
        f"<table><thead><tr><th>Out</th><th>Next</th></tr></thead><tr><td>{inner}</td><td>2</td></tr></table>"
    )
    assert found.count('data-label="In"') == found.count('data-label="Out"') == found.count('data-label="Next"') == 1
    assert "kept-" not in found


def test_a_table_without_a_head_stays_as_it_is() -> None:
    page = "<table><tbody><tr><td>1</td></tr></tbody></table>"
    assert labelled(page) == page
