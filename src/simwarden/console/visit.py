"""One request of a browser, and what pages answer it with."""

from __future__ import annotations

import hmac
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl

from starlette.responses import RedirectResponse, Response

from simwarden.console import calls, rendering, texts
from simwarden.console.calls import CallRefused
from simwarden.console.page import GROUPS, all_pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from simwarden.console.page import ConsolePage
    from simwarden.console.tiles import TileSource

LANGUAGE, THEME = "simwarden-language", "simwarden-theme"
THEMES = ("auto", "light", "dark")
ROOT = "/console"
_AGAIN = '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0"><title>-</title>'

SUGGESTED = 200
"""Accounts."""


class Visit:
    """What a page's handlers get."""

    def __init__(
        self,
        request: Request,
        api: ASGIApp,
        form: Mapping[str, Sequence[str]],
        page: ConsolePage | None,
        tiles: TileSource | None = None,
    ) -> None:
        """`form`: of a POST, else empty. `tiles`: where pictures behind the maps come from."""
        self.request = request
        self.tiles = tiles
        self.page = page
        self.form = form
        self._app = api
        self.api = calls.ApiClient(api, "/manage", "v1", request.scope, self.field("csrf"))
        """The management API, as who is signed in."""
        self.session: dict[str, Any] | None = None
        """`NewSession` of the management API; None: nobody is signed in."""
        self.accounts: list[str] = []
        """Names of accounts to suggest; of many, the first ones."""

    async def know_accounts(self) -> None:
        """Learn which accounts to suggest, where who is signed in sees several. Raises CallRefused."""
        if self.account is None and self.may("listAccounts"):
            found = await self.api.get("/accounts", limit=SUGGESTED)
            self.accounts = [each["name"] for each in found["accounts"]]

    async def arrive(self) -> None:
        """Learn who is signed in. Raises CallRefused for anything but that nobody is."""
        if b"__Host-simwarden=" not in self.request.headers.get("cookie", "").encode(errors="replace"):
            return
        try:
            self.session = await self.api.get("/session", operations="true")
            self.api.token = self.session["csrfToken"]
        except CallRefused as refused:
            if refused.status != 401:
                raise

    @property
    def path(self) -> str:
        """Of the request, with `/console`."""
        return str(self.request.url.path)

    @property
    def here(self) -> str:
        """The address of the request, with its query."""
        query = self.request.url.query
        return f"{self.path}?{query}" if query else self.path

    @cached_property
    def query(self) -> dict[str, str]:
        """Parameters of the address that are not empty; of one that is given several times, the last."""
        pairs = parse_qsl(self.request.url.query, max_num_fields=100, errors="replace")
        return {name: value.strip() for name, value in pairs if value.strip()}

    @cached_property
    def lists(self) -> dict[str, list[str]]:
        """The same, with all values."""
        return parse_qs(self.request.url.query, max_num_fields=100, errors="replace")

    def named(self, name: str) -> str:
        """What stands in the path for `{name}`."""
        return str(self.request.path_params[name])

    def field(self, name: str) -> str:
        """A field of the form; empty when it is missing."""
        return (self.form.get(name) or [""])[-1].strip()

    def fields(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for value in self.form.get(name, ()) if value]

    def may(self, *operations: str) -> bool:
        """Whether the management API opens these operations to who is signed in."""
        return self.session is not None and set(operations) <= self._opened

    @cached_property
    def _opened(self) -> frozenset[str]:
        return frozenset((self.session or {}).get("operations", ()))

    @cached_property
    def navigation(self) -> list[tuple[str, list[ConsolePage]]]:
        """The entries that mean something to who is signed in, by group."""
        groups: dict[str, list[ConsolePage]] = {group: [] for group in GROUPS}
        for page in all_pages():
            if page.nav is not None and self.may(*page.needs):
                groups[page.nav.group].append(page)
        return [(name, sorted(found, key=_order)) for name, found in groups.items() if found]

    def way(self, path: str) -> str:
        """The address of a list of the console; empty where there is no such page, or not for who is signed in."""
        bare = path.partition("?")[0]
        found = next((page for page in all_pages() if page.path == bare), None)
        return ROOT + path if found is not None and self.may(*found.needs) else ""

    @property
    def user(self) -> dict[str, Any]:
        """Who is signed in."""
        assert self.session is not None
        found: dict[str, Any] = self.session["user"]
        return found

    @property
    def account(self) -> str | None:
        """Id of the account that this person is for; None: all."""
        return None if self.session is None else self.user.get("manages")

    @cached_property
    def language(self) -> str:
        """Of the texts."""
        return texts.chosen(self.request.cookies.get(LANGUAGE), self.request.headers.get("accept-language", ""))

    @property
    def theme(self) -> str:
        """auto, light or dark."""
        found = self.request.cookies.get(THEME, "auto")
        return found if found in THEMES else "auto"

    def t(self, key: str, **values: Any) -> str:
        """A text in the visitor's language."""
        return texts.text(self.language, key, **values)

    def word(self, value: object, kind: str = "word") -> str:
        """A value of an API in words: the text `word.VALUE`, or the value itself."""
        key = f"{kind}.{value}"
        return self.t(key) if texts.has(key) else str(value)

    async def listed(self, rows: str, path: str, *names: str, **query: Any) -> tuple[dict[str, Any], int, str | None]:
        """A page of a list of the API, behind the cursor of the address; the status to answer with; what is wrong.

        Where the API refuses the filters (400, 404), `rows` of the list are none. Raises CallRefused for the rest.
        """
        try:
            return await self.api.get(path, *names, cursor=self.query.get("cursor"), **query), 200, None
        except CallRefused as refused:
            if refused.status not in (400, 404):
                raise
            return {rows: []}, refused.status, refused.message or self.t(f"failed.{refused.status}")

    def steps(self, path: str, found: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Where a list's pager leads: `first`, unless this is the first page, and `next`, where there is one.

        `found`: the API's answer; `kept`: parameters of the address.
        """
        query = kept or {}
        return {
            "first": rendering.address(path, query) if "cursor" in self.query else "",
            "next": rendering.address(path, query, cursor=found["nextCursor"]) if "nextCursor" in found else "",
        }

    def words(self, values: Iterable[object], kind: str = "word") -> str:
        """Several values in words, as people list them."""
        return self.t("common.comma").join(self.word(value, kind) for value in values)

    def is_forged(self) -> bool:
        """Whether a form was not made by a page of ours for this session."""
        if self.request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return True
        if self.session is None:
            return False
        return not hmac.compare_digest(self.session.get("csrfToken", "").encode(), self.field("csrf").encode())

    def render(self, template: str, **values: Any) -> str:
        """A template as HTML. It knows the visit as `visit`, and `t`, `word`, `may`."""
        known = {
            "visit": self,
            "t": self.t,
            "word": self.word,
            "may": self.may,
            "csrf": (self.session or {}).get("csrfToken", ""),
            "path": self.path,
            "query": self.query,
            "theme": self.theme,
            "notice": "",
            "error": None,
        }
        return rendering.rendered(template, {**known, **values})

    def show(self, template: str, status: int = 200, cookies: Sequence[bytes] = (), **values: Any) -> Response:
        """A page."""
        done = self.query.get("done", "")
        notice = self.t(f"done.{done}") if texts.has(f"done.{done}") else ""
        answer = Response(self.render(template, notice=notice, **values), status, media_type="text/html")
        answer.raw_headers += [(b"set-cookie", each) for each in cookies]
        return answer

    @property
    def is_sent_here(self) -> bool:
        """Whether a page of another site led here: no cookie of the session comes along then (SameSite=Strict)."""
        return self.request.headers.get("sec-fetch-site") == "cross-site"

    def again(self) -> Response:
        """A page that asks for the same address once more, as a page of ours."""
        return Response(_AGAIN, media_type="text/html")

    def go(self, path: str, cookies: Sequence[bytes] = (), **query: Any) -> Response:
        """Send the browser on, to a path of the console, by GET."""
        answer = RedirectResponse(rendering.address(path, query), 303)
        answer.raw_headers += [(b"set-cookie", each) for each in cookies]
        return answer


def _order(page: ConsolePage) -> int:
    return page.nav.order if page.nav is not None else 0


def local(path: str) -> str:
    """`path` when it leads to a page of the console, else its first page: nobody is sent elsewhere by an address."""
    is_ours = path == ROOT or path.startswith((f"{ROOT}/", f"{ROOT}?"))
    return path if is_ours and path.isprintable() and "\\" not in path else ROOT
