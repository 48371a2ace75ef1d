"""`/openapi/` and `/docs` over HTTP."""

from __future__ import annotations

import gzip
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from tests.support.documents import read_yaml
from tests.unit.northbound.asgi import Reply, call

from simwarden import northbound
from simwarden.reference.bundle import bundled
from simwarden.reference.documents import Documents
from simwarden.reference.routes import routes

BASE = "https://warden.example/iot"


@pytest.fixture
def app() -> Starlette:
    return Starlette(routes=routes(Documents(northbound.DOCUMENTS, BASE)))


def folders() -> set[str]:
    """API names by the folders that hold a document."""
    root = Path(str(resources.files(northbound)))
    return {found.parent.name.replace("_", "-") for found in root.glob("*/openapi.yaml")}


async def get(app: Starlette, path: str, *headers: tuple[str, str]) -> Reply:
    return await call(app, "GET", path, headers=headers)


async def test_the_index_lists_every_api_folder_there_is(app: Starlette) -> None:
    reply = await get(app, "/openapi/")
    assert reply.headers["content-type"] == "application/json"
    listed = {each["name"]: each for each in reply.json["documents"]}
    assert listed.keys() == folders()
    for each in listed.values():
        assert (await get(app, f"/openapi/{each['yaml']}")).status == 200
        assert (await get(app, f"/openapi/{each['json']}")).status == 200


@pytest.mark.parametrize("name", sorted(northbound.DOCUMENTS))
async def test_both_forms_say_the_same_and_name_this_server(app: Starlette, name: str) -> None:
    text = (await get(app, f"/openapi/{name}.yaml")).body.decode()
    served: dict[str, Any] = read_yaml(text)
    assert served == (await get(app, f"/openapi/{name}.json")).json
    assert served["servers"][0]["variables"]["apiRoot"]["default"] == BASE
    assert served["components"]["securitySchemes"]["openId"]["openIdConnectUrl"].startswith(f"{BASE}/.well-known/")
    assert len(text.splitlines()) == len(bundled(northbound.DOCUMENTS[name]).splitlines())
    assert set(re.findall(r"\$ref: (.)(.)", text)) == {('"', "#")}  # complete in itself


@pytest.mark.parametrize("path", ["/openapi/nothing.yaml", "/openapi/nothing.json", "/openapi/..%2f", "/docs/assets/x"])
async def test_what_is_not_there_is_404(app: Starlette, path: str) -> None:
    reply = await get(app, path)
    assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")


async def test_an_unchanged_file_is_not_sent_again_and_packed_where_it_may_be(app: Starlette) -> None:
    plain = await get(app, "/docs/assets/swagger-ui-bundle.js")
    packed = await get(app, "/docs/assets/swagger-ui-bundle.js", ("accept-encoding", "br, gzip"))
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    again = await get(app, "/docs/assets/swagger-ui-bundle.js", ("if-none-match", plain.headers["etag"]))
    assert (again.status, again.body) == (304, b"")


async def test_the_page_needs_nothing_from_elsewhere(app: Starlette) -> None:
    page = await get(app, "/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    used = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    assert [one for one in used if "://" in one or one.startswith("//")] == []
    for path in (one for one in used if one.startswith("docs/")):
        assert (await get(app, f"/{path}")).status == 200, path
    assert b"Apache License" in (await get(app, "/docs/assets/LICENSE")).body
