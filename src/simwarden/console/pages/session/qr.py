"""A QR code as the path of an SVG drawing."""

from __future__ import annotations

from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

QUIET = 2
"""Empty modules around it."""


def drawn(text: str) -> tuple[int, str]:
    """Width in modules, and the path of the dark ones."""
    code = QRCode(None, QRErrorCorrectLevel.L)
    code.addData(text)
    code.make()
    count = code.getModuleCount()
    path = "".join(f"M{x + QUIET} {y + QUIET}h1v1h-1z" for y in range(count) for x in range(count) if code.isDark(y, x))
    return count + 2 * QUIET, path
