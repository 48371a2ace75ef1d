"""Invoices and credit notes as PDF, A4.

Fonts are chosen letter by letter: Helvetica for Western European languages, Noto Sans (embedded) for more of Latin,
Greek, Cyrillic and others, and for Chinese, Japanese and Korean the standard fonts that readers bring along. What none
of them has becomes a question mark.
"""

from __future__ import annotations

import io
from datetime import UTC
from functools import cache
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from simwarden.domain.invoice import Invoice, Party
    from simwarden.domain.price_bill import BillLine

_ASIAN = (("gb2312", "STSong-Light"), ("shift_jis", "HeiseiMin-W3"), ("euc_kr", "HYSMyeongJo-Medium"))
_MORE_ASIAN = (("big5", "MSung-Light"), ("gbk", "STSong-Light"))
_NOTO = "NotoSans"
_GREY = "#5f6b76"
_RULE = "#c8d0d8"


def to_pdf(invoice: Invoice) -> bytes:
    """The document; the same bytes for the same invoice."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import KeepTogether, SimpleDocTemplate, Spacer

    _fonts()
    file = io.BytesIO()
    margin = 18 * mm
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=margin,
        rightMargin=margin,
        topMargin=16 * mm,
        bottomMargin=24 * mm,
        title=f"{_title(invoice)} {invoice.number}",
        author=_ascii(invoice.seller.name),
        invariant=1,
    )
    width = A4[0] - 2 * margin
    story = [
        _head(invoice, width),
        Spacer(0, 8 * mm),
        _lines(invoice, width),
        Spacer(0, 4 * mm),
        KeepTogether([_totals(invoice, width), Spacer(0, 6 * mm), _table([[_below(invoice)]], [width], [])]),
    ]
    document.build(story, canvasmaker=_canvas(invoice, margin, A4[0]))
    return file.getvalue()


def _title(invoice: Invoice) -> str:
    return "Credit note" if invoice.is_credit else "Invoice"


def _head(invoice: Invoice, width: float) -> Any:
    """Who sells, to whom, and what the document is."""
    facts = [
        ("Number", invoice.number),
        ("Date", invoice.issued_at.astimezone(UTC).date().isoformat()),
        ("Period", f"{invoice.period_from} to {invoice.period_until} ({invoice.time_zone})"),
    ]
    facts += [("Corrects", invoice.corrects)] if invoice.corrects else [("Due", invoice.due_on.isoformat())]
    facts.append(("Account", invoice.account))
    facts += [("Reference", invoice.buyer.reference)] if invoice.buyer.reference else []
    right = [_text(_title(invoice), size=20, bold=True, align="right")]
    table = _table(
        [[_text(name, color=_GREY), _text(value, align="right")] for name, value in facts],
        [width * 0.12, width * 0.33],
        [("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)],
    )
    left = [*_party(invoice.seller, bold=True), _gap(), _text("Bill to", color=_GREY), *_party(invoice.buyer)]
    return _table(
        [[left, [*right, _gap(), table]]],
        [width * 0.52, width * 0.48],
        [("ALIGN", (1, 0), (1, 0), "RIGHT")],
    )


def _party(party: Party, *, bold: bool = False) -> list[Any]:
    shown = [_text(party.name, bold=True, size=13 if bold else 10)]
    shown += [_text(line) for line in party.address]
    shown += [_text(f"Tax number {party.tax_id}")] if party.tax_id else []
    shown += [_text(f"Registered as {party.registration}")] if party.registration and not bold else []
    return shown


def _lines(invoice: Invoice, width: float) -> Any:
    head = [
        _text("Description", color=_GREY),
        *(_text(each, color=_GREY, align="right") for each in ("Quantity", "Unit price", f"Amount {invoice.currency}")),
    ]
    rows = [[_what(line), *(_text(each, align="right") for each in _numbers(line))] for line in invoice.lines]
    return _table(
        [head, *rows],
        [width * 0.44, width * 0.2, width * 0.18, width * 0.18],
        [
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, _color(_GREY)),
            ("LINEBELOW", (0, 1), (-1, -1), 0.3, _color(_RULE)),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ],
        head=1,
    )


def _what(line: BillLine) -> list[Any]:
    return [_text(line.name), *([_text(line.detail, size=8, color=_GREY)] if line.detail else [])]


def _numbers(line: BillLine) -> tuple[str, str, str]:
    if line.unit == "discount":
        return "", "", _money(line.amount)
    units = line.unit if line.quantity == 1 or line.unit.endswith("s") else f"{line.unit}s"
    price = _money(line.price) + (f" / {line.per}" if line.per != 1 else "")
    return f"{line.quantity:,} {units}", price, _money(line.amount)


def _totals(invoice: Invoice, width: float) -> Any:
    rows = [["Net total", _money(invoice.net)]]
    rows += [[f"{tax.name} {tax.percent:f} % of {_money(tax.base)}", _money(tax.amount)] for tax in invoice.taxes]
    shown = [[_text(name, align="right"), _text(amount, align="right")] for name, amount in rows]
    owed = "To be credited" if invoice.is_credit else "Total to pay"
    shown.append(
        [
            _text(f"{owed} ({invoice.currency})", bold=True, align="right", size=11),
            _text(_money(invoice.total), bold=True, align="right", size=11),
        ]
    )
    return _table(
        [["", *row] for row in shown],
        [width * 0.3, width * 0.48, width * 0.22],
        [
            ("LINEABOVE", (1, -1), (-1, -1), 0.8, _color(_GREY)),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ],
    )


def _below(invoice: Invoice) -> list[Any]:
    said = [f"{tax.name}: {tax.reason}" for tax in invoice.taxes if tax.reason]
    said += [invoice.reason] if invoice.reason else []
    if not invoice.is_credit:
        said.append(f"Payable by {invoice.due_on.isoformat()}, with the number {invoice.number} as reference.")
        said += [invoice.seller.payment] if invoice.seller.payment else []
        said += [f"IBAN {invoice.seller.iban}"] if invoice.seller.iban else []
    return [_text(each) for each in said]


def _canvas(invoice: Invoice, margin: float, width: float) -> Any:
    """Writes the foot of each page when it is known how many there are."""
    from reportlab.pdfgen.canvas import Canvas

    seller = invoice.seller
    named = [seller.name, *seller.address, *([seller.registration] if seller.registration else [])]
    foot = ", ".join([*named, *([seller.email] if seller.email else [])])

    class Counted(Canvas):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 - reportlab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, 1):
                self.__dict__.update(page)
                self.setStrokeColor(_color(_RULE))
                self.line(margin, 18 * 2.83, width - margin, 18 * 2.83)
                right = f"{_title(invoice)} {invoice.number}, page {number} of {len(self._pages)}"
                self.setFont("Helvetica", 8)
                self.setFillColor(_color(_GREY))
                self.drawRightString(width - margin, 9 * 2.83, right)
                paragraph = _text(foot, size=8, color=_GREY)
                _, height = paragraph.wrap(width - 2 * margin, 24)
                paragraph.drawOn(self, margin, 17 * 2.83 - height)
                super().showPage()
            super().save()

    return Counted


def _money(value: Decimal) -> str:
    return f"{value:,f}"


def _gap() -> Any:
    from reportlab.platypus import Spacer

    return Spacer(0, 10)


def _color(text: str) -> Any:
    from reportlab.lib.colors import HexColor

    return HexColor(text)


def _table(rows: list[list[Any]], widths: list[float], style: list[Any], *, head: int = 0) -> Any:
    from reportlab.platypus import Table, TableStyle

    base = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    base.append(("RIGHTPADDING", (0, 0), (-1, -1), 0))
    return Table(rows, colWidths=widths, repeatRows=head, style=TableStyle([*base, *style]))


def _text(text: str, *, size: int = 9, bold: bool = False, color: str = "#16202a", align: str = "left") -> Any:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    wrap = {"wordWrap": "CJK"} if any(ord(letter) > 0x2E80 for letter in text) else {}
    style = ParagraphStyle(
        "text",
        fontName="Helvetica-Bold" if bold else "Helvetica",
        fontSize=size,
        leading=size * 1.3,
        textColor=_color(color),
        alignment={"left": 0, "right": 2}[align],
        splitLongWords=1,
        **wrap,
    )
    return Paragraph("".join(_marked(text)), style)


def _marked(text: str) -> Iterable[str]:
    """The text with a font named for each part that Helvetica lacks."""
    for font, letters in groupby(text, _font_of):
        part = escape("".join(letters))
        yield part if font is None else f'<font name="{font}">{part}</font>' if font else "?" * len(part)


@cache
def _font_of(letter: str) -> str | None:
    """The font that has a letter: None for Helvetica, an empty name where there is none."""
    if ord(letter) < 0x100 or _fits(letter, "cp1252"):
        return None
    if ord(letter) in _noto():
        return _NOTO
    found = next((font for codec, font in (*_ASIAN, *_MORE_ASIAN) if _fits(letter, codec)), "")
    return found or ("STSong-Light" if 0x4E00 <= ord(letter) < 0xA000 else "")


def _fits(letter: str, codec: str) -> bool:
    try:
        letter.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _ascii(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")


@cache
def _noto() -> frozenset[int]:
    from reportlab.pdfbase.pdfmetrics import getFont

    _fonts()
    return frozenset(getFont(_NOTO).face.charToGlyph)


@cache
def _fonts() -> None:
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    file = resources.files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf"
    registerFont(TTFont(_NOTO, io.BytesIO(file.read_bytes())))
    for font in dict.fromkeys(font for _, font in (*_ASIAN, *_MORE_ASIAN)):
        registerFont(UnicodeCIDFont(font))
