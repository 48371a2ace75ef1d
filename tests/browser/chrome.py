"""A real browser without a window, steered by the Chrome DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.support.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-port=0",
    "--window-size=1280,1600",
)
LOADED = "document.readyState === 'complete'"
"""The page is parsed and its scripts have run."""
_LEFT = ("navigated or closed", "context was destroyed", "Cannot find", "Promise was collected")
"""In what the browser says of an expression whose page is left meanwhile."""


def found() -> str | None:
    """The browser's program, where there is one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Broken(AssertionError):
    """The page reported an error."""


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self.errors: list[str] = []
        """Exceptions of scripts, and what the console or the network complained of."""
        self.requested: list[str] = []
        self._task = asyncio.create_task(self._read())

    async def send(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol."""
        number = len(self._calls) + 1
        self._calls[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await asyncio.wait_for(self._calls[number], PATIENCE)

    async def evaluate(self, script: str) -> Any:
        """What a JavaScript expression is worth in the page; promises are awaited."""
        found = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise Broken(found["exceptionDetails"].get("exception", {}).get("description", "?"))
        return found["result"].get("value")

    async def open(self, url: str) -> None:
        """Go there."""
        await self.send("Page.navigate", url=url)

    async def until(self, script: str, limit: float = PATIENCE) -> Any:
        """Wait until an expression is true, and return it. It may be asked while one page makes way for another."""
        try:
            async with asyncio.timeout(limit):
                while True:
                    try:
                        if value := await self.evaluate(script):
                            return value
                    except Broken as error:
                        if not any(words in str(error) for words in _LEFT):
                            raise
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Broken(f"not within {limit} s: {script}; complaints: {self.errors}") from None

    async def type(self, selector: str, text: str) -> None:
        """Type into a field of a page that is loaded with its scripts, as a person would."""
        await self.until(LOADED)
        await self.evaluate(f"document.querySelector({selector!r}).focus()")
        await self.send("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Click with the mouse, in the middle of what the selector finds on a page that is loaded."""
        await self.until(f"{LOADED} && document.querySelector({selector!r}) !== null")
        box = await self.evaluate(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        found = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(found["data"])

    async def _read(self) -> None:
        async for message in self._socket:
            content = json.loads(message.data)
            if "id" in content:
                future = self._calls[content["id"]]
                if "error" in content:
                    future.set_exception(Broken(str(content["error"])))
                else:
                    future.set_result(content["result"])
            elif content["method"] == "Runtime.exceptionThrown":
                self.errors.append(content["params"]["exceptionDetails"].get("exception", {}).get("description", "?"))
            elif content["method"] == "Log.entryAdded" and content["params"]["entry"]["level"] == "error":
                self.errors.append(content["params"]["entry"]["text"])
            elif content["method"] == "Network.requestWillBeSent":
                self.requested.append(content["params"]["request"]["url"])

    async def close(self) -> None:
        """Stop reading."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


class Browser:
    """A browser that runs."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{port}/json"

    @contextlib.asynccontextmanager
    async def tab(self) -> AsyncIterator[Page]:
        """A new empty tab, closed at the end."""
        async with self._session.put(f"{self._url}/new?about:blank") as answer:
            tab = await answer.json()
        async with self._session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.send(f"{domain}.enable")
            yield page
            await page.close()
        async with self._session.get(f"{self._url}/close/{tab['id']}"):
            pass


@contextlib.asynccontextmanager
async def browser(program: str, directory: Path) -> AsyncIterator[Browser]:
    """A fresh browser; ended with all its processes."""
    profile = directory / "profile"
    process = await asyncio.create_subprocess_exec(
        *(program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(profile / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session:
            yield Browser(session, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the group that was started for it: itself and its children
        await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
                return int(file.read_text().splitlines()[0])  # noqa: ASYNC240 - one line
            assert process.returncode is None, "the browser ended at once"
            await asyncio.sleep(0.05)
