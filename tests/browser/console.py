"""The console in a browser: signing in, walking, keys, pictures."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import TYPE_CHECKING

from tests.browser.chrome import LOADED
from tests.support.console_sample import PASSWORD, SAMPLES, email

from simwarden.console.page import all_pages

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.chrome import Page

SIZES = {"light": (1440, 900), "dark": (1440, 900), "phone": (390, 844)}
KEYS = {"Enter": ("\r", 13), "Tab": ("\t", 9), " ": (" ", 32), "Escape": ("", 27)}
FRAMED = f"{LOADED} && document.querySelector('#main h1') !== null"


ASKED = (
    *("records?account=acme&reveal=yes", "records/calls?account=acme", "hotzones/lists?account=acme"),
    "simulator?sim=460000990000000&since=2026-01-01T00:00:00Z",
)
"""Pages that show something only to who asks for it."""


def paths() -> list[str]:
    """Every page that can be looked at by who is signed in, and of whose parameters there are samples."""
    walked = [
        "/console" + page.path.format(**SAMPLES).rstrip("/")
        for page in all_pages()
        if page.show is not None
        and not page.is_open
        and not page.path.endswith("/result")
        and set(re.findall(r"{(\w+)}", page.path)) <= SAMPLES.keys()
    ]
    return [*walked, *(f"/console/{each}" for each in ASKED)]


class Tab:
    """One tab, at a console."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    async def look(self, mode: str = "light", language: str = "en") -> None:
        """Make it as wide, dark and spoken as `mode` and `language` say."""
        width, height = SIZES[mode]
        scheme = "dark" if mode == "dark" else "light"
        await self.page.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mode == "phone",
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.page.send("Emulation.setEmulatedMedia", features=features)
        await self.page.send("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})

    async def go(self, path: str) -> None:
        """Open a page, and wait until it is there."""
        await self.page.evaluate("window.left = true")
        await self.page.open(self._url + path)
        await self.page.until(f"!window.left && {FRAMED}")

    async def sign_in(self, role: str) -> None:
        """As the person with this role."""
        await self.page.send("Network.clearBrowserCookies")
        await self.go("/console/sign-in")
        await self.page.type("input[name=email]", email(role))
        await self.page.type("input[name=password]", PASSWORD)
        await self.page.click("button.primary")
        await self.page.until(f"document.querySelector('header.top') !== null && {FRAMED}")

    async def press(self, key: str) -> None:
        """A key of the keyboard, on a page that is loaded."""
        await self.page.until(LOADED)
        text, code = KEYS.get(key, (key, ord(key[0])))
        named = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text not in ("", "\t") else {})}
        await self.page.send("Input.dispatchKeyEvent", type="keyDown", **named)
        await self.page.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def tab_to(self, wanted: str, most: int = 80) -> None:
        """Press Tab until what has the focus is what the selector finds."""
        for _ in range(most):
            await self.press("Tab")
            if await self.page.evaluate(f"document.activeElement.matches({wanted!r})"):
                return
        raise AssertionError(f"Tab does not lead to {wanted}")

    async def text(self, selector: str = "#main") -> str:
        """What is written there."""
        found: str = await self.page.evaluate(f"document.querySelector({selector!r}).innerText")
        return found

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        """What is seen, into a file."""
        found = await self.page.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(found["data"]))
