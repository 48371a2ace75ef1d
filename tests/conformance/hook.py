"""Holds every answer of a customer API that any test gets, in this process or over HTTP, against the documents.

`tests/conftest.py` puts it around every test. What is not right is kept, and fails the test at its end: an error raised
here could be taken for one of the server's.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import aiohttp
from tests.conformance import contract
from tests.unit.northbound.asgi import Reply

from simwarden import northbound
from simwarden.northbound.kernel.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message, Receive, Scope, Send


_VERSION = re.compile(r"v(wip|[0-9]{1,2}(alpha[0-9]|\.[0-9]{1,2})?)")


class Watch:
    """The answers of one test."""

    def __init__(self) -> None:
        self.answers = 0
        self.broken: list[str] = []

    def saw(self, api: str, method: str, path: str, reply: Reply) -> None:
        """An answer to `method path`; the path is that below the API's name."""
        version, _, rest = path.removeprefix("/").partition("/")
        if api not in northbound.DOCUMENTS or not version:
            return
        if not _VERSION.fullmatch(version):
            rest = path.removeprefix("/")  # nothing that a document knows
        self.answers += 1
        # A sink in a test may speak plain http, which CAMARA's pattern forbids.
        held = Reply(reply.status, reply.headers, reply.body.replace(b'"sink":"http:', b'"sink":"https:'))
        try:
            contract.ours(api).check(method, f"/{rest}", held)
            upstream = contract.camaras(api)
            # With a 3-legged token the device must not be shown, though CAMARA's schema asks for it (our deviation).
            hidden = b'"subscriptionDetail":{}' in held.body
            if upstream is not None and not hidden and not contract.ours(api).extends(method, f"/{rest}"):
                upstream.check(method, f"/{rest}", held)
        except contract.ContractBroken as error:
            self.broken.append(f"{api}: {method} {path}: {error}")

    @contextmanager
    def looking(self) -> Iterator[None]:
        """See all answers from here on."""
        with (
            mock.patch.object(Api, "__call__", _around(self, Api.__call__)),
            mock.patch.object(aiohttp.ClientSession, "_request", _of_client(self, aiohttp.ClientSession._request)),
        ):
            yield


def _around(watch: Watch, call: Any) -> Any:
    async def watched(api: Api, scope: Scope, receive: Receive, send: Send) -> None:
        sent: list[Message] = []

        async def noting(message: Message) -> None:
            sent.append(message)
            await send(message)

        await call(api, scope, receive, noting)
        if scope["type"] == "http" and sent:
            start, *rest = sent
            headers = {name.decode(): value.decode() for name, value in start["headers"]}
            body = b"".join(message.get("body", b"") for message in rest)
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            watch.saw(api.name, scope["method"], path, Reply(start["status"], headers, body))

    return watched


def _of_client(watch: Watch, request: Any) -> Any:
    async def watched(session: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await request(session, method, url, **options)
        api, _, path = response.url.path.removeprefix("/").partition("/")
        if api in northbound.DOCUMENTS:
            headers = {name.lower(): value for name, value in response.headers.items()}
            watch.saw(api, method, f"/{path}", Reply(response.status, headers, await response.read()))
        return response

    return watched
