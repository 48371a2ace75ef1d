"""Signing in, what each role sees and may do, and what attackers of it meet."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from tests.integration.console.conftest import PASSWORD
from tests.integration.management.house import imsi, phone

from simwarden.accounts import totp
from simwarden.accounts.logins import first_code
from simwarden.console.frame import POLICY
from simwarden.console.page import all_pages
from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site

LISTS = [page.path for page in all_pages() if page.nav is not None]


async def test_nobody_sees_anything_before_signing_in(site: Site) -> None:
    visitor = site.visitor()
    for page in all_pages():
        if page.show is None or page.is_open:
            continue
        reply = await visitor.get(page.path.rstrip("/").replace("{", "").replace("}", ""))
        assert (reply.status, reply.headers["location"].partition("?")[0]) == (303, "/console/sign-in"), page.path
    assert (await visitor.get("/nowhere")).status == 303


async def test_the_first_person_is_made_with_the_servers_code_and_nobody_after(site: Site) -> None:
    visitor = site.visitor()
    asked = {"email": "first@operator.example", "name": "First", "password": PASSWORD}
    if (await visitor.get("/sign-in")).status != 303:
        pytest.fail("somebody is there already: this test is the first")
    assert (await visitor.post("/first", code="wrong", **asked)).status == 401
    weak = {**asked, "password": "short"}
    code = first_code(site.house.parts.vault)
    assert (await visitor.post("/first", code=code, **weak)).status == 400
    made = await visitor.post("/first", code=code, **asked)
    assert (made.status, made.headers["location"]) == (303, "/console?signed=1")
    assert (await visitor.get("")).status == 200
    assert (await visitor.get("/first")).headers["location"] == "/console/sign-in"
    again = await site.visitor().post("/first", code=code, **{**asked, "email": "second@operator.example"})
    assert again.status == 409


async def test_a_wrong_password_and_a_cookie_that_is_not_kept_are_said(site: Site) -> None:
    visitor = site.visitor()
    reply = await visitor.post("/sign-in", email="first@operator.example", password="wrong horse battery")
    assert reply.status == 401
    assert "set-cookie" not in reply.headers
    assert 'role="alert"' in visitor.page
    await visitor.get("/sign-in?signed=1")
    assert 'role="alert"' in visitor.page


async def test_who_is_sent_to_sign_in_goes_back_and_nowhere_else(site: Site) -> None:
    visitor = site.visitor()
    sent = await visitor.get("/sims?state=LOCKED")
    assert sent.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fsims%3Fstate%3DLOCKED"
    for wanted, goes in (
        ("/console/sims?state=LOCKED", "/console/sims?state=LOCKED"),
        ("https://evil.example/", "/console"),
        ("//evil.example/console", "/console"),
        ("/console\\..\\@evil.example", "/console"),
        ("/consolelike", "/console"),
    ):
        reply = await site.visitor().sign_in("first@operator.example", next=wanted)
        assert reply.headers["location"].partition("signed")[0].rstrip("?&") == goes


async def test_a_link_from_another_site_is_asked_for_again_from_here(site: Site) -> None:
    reply = await site.visitor().get("/sims", ("sec-fetch-site", "cross-site"))
    assert reply.status == 200
    assert b'http-equiv="refresh"' in reply.body


@pytest.mark.parametrize("role", ["viewer", "operator", "admin", "billing"])
async def test_each_role_sees_its_pages_and_no_others(site: Site, role: str) -> None:
    visitor = await site.person(role)
    shown = {path for path in LISTS if f'href="/console{path.rstrip("/")}"' in visitor.page}
    for path in LISTS:
        reply = await visitor.get(path)
        assert (reply.status == 200) == (path in shown) or path == "/", path
        assert reply.status in (200, 403) or path in ("/", "/simulator")
    assert ("/sims" in shown) == (role != "billing")


async def test_a_viewer_is_offered_nothing_and_cannot_act(site: Site) -> None:
    viewer, operator = await site.person("viewer"), await site.person("operator")
    path = f"/sims/{imsi(1)}/act/suspend"
    await viewer.get(f"/sims/{imsi(1)}")
    assert "/act/" not in viewer.page
    assert (await viewer.get(path)).status == 403
    assert (await viewer.post(path)).status == 403
    await operator.get(path)
    assert "Suspended" in operator.page
    done = await operator.post(path)
    assert done.headers["location"] == f"/console/sims/{imsi(1)}?done=acted"
    assert (await site.house.manage("GET", f"/sims/{imsi(1)}")).json["lifecycle"] == "SUSPENDED"
    await site.house.parts.audit.drain()
    acts = (await site.house.manage("GET", f"/audit?target={imsi(1)}&operation=actOnSim")).json["audit"]
    assert [each["name"] for each in acts] == [operator.email]


async def test_forms_of_other_sites_and_other_sessions_do_nothing(site: Site) -> None:
    operator, other = await site.person("operator"), await site.person("operator")
    path = f"/sims/{imsi(2)}/act/suspend"
    await operator.get(path)
    await other.get(path)
    for headers, csrf in (
        ((("sec-fetch-site", "cross-site"),), None),
        ((("sec-fetch-site", "same-site"),), None),
        ((("origin", "https://evil.example"),), None),
        ((), ""),
        ((), "x" * 43),
        ((), other.csrf),
    ):
        assert (await operator.post(path, *headers, csrf=csrf)).status == 403
        await operator.get(path)
    assert (await site.house.manage("GET", f"/sims/{imsi(2)}")).json["lifecycle"] == "ACTIVE"


async def test_every_answer_forbids_scripts_and_styles_that_are_not_ours(site: Site) -> None:
    visitor = await site.person("viewer")
    for path in ("", "/sims", "/sims/unknown", "/nowhere"):
        reply = await visitor.get(path)
        assert reply.headers["content-security-policy"] == POLICY
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-frame-options"] == "DENY"
    assert "unsafe" not in POLICY


async def test_sims_are_found_by_every_name_and_by_a_part_of_it(site: Site) -> None:
    visitor = await site.person("viewer")
    found = dict.fromkeys((imsi(7), phone(7), phone(7)[1:], phone(7)[:-1], f"8986{imsi(7)}", f"8986{imsi(7)}"[:-1]), "")
    found |= {imsi(7)[5:]: "&inside=yes"}
    for text, how in found.items():
        reply = await visitor.get(f"/sims?q={text.replace('+', '%2B')}{how}")
        assert reply.status == 200
        assert visitor.page.count('<th scope="row"') in (1, 10), text
        assert imsi(7) in visitor.page
    await visitor.get("/sims?q=nothing-like-it")
    assert 'class="empty"' in visitor.page
    assert (await visitor.get("/sims?cursor=forged")).status == 400


async def test_pages_of_the_list_follow_each_other(site: Site) -> None:
    visitor = await site.person("viewer")
    await visitor.get("/sims?lifecycle=ACTIVE")
    first = visitor.page
    address = first.partition('rel="next"')[0].rpartition('href="/console')[2].partition('"')[0].replace("&amp;", "&")
    assert "lifecycle=ACTIVE" in address
    await visitor.get(address)
    names = [part.partition('"')[0] for part in visitor.page.split('href="/console/sims/')[1:]]
    assert names
    assert not any(f'href="/console/sims/{name}"' in first for name in names)


async def test_a_person_changes_his_password_and_ends_other_sessions(site: Site) -> None:
    visitor, elsewhere = await site.person("viewer"), site.visitor()
    await elsewhere.sign_in(visitor.email)
    await visitor.get("/me")
    other = visitor.page.partition('name="id" value="')[2].partition('"')[0]
    assert (await elsewhere.get("/sims")).status == 200
    assert (await visitor.post("/me", do="end", id=other)).status == 303
    assert (await elsewhere.get("/sims")).status == 303
    await visitor.get("/me")
    wrong = await visitor.post("/me", password="not that one", new_password="another horse battery")
    assert wrong.status == 401
    changed = await visitor.post("/me", password=PASSWORD, new_password="another horse battery")
    assert changed.status == 303
    assert (await site.visitor().sign_in(visitor.email)).status == 401


async def test_a_second_factor_is_shown_as_a_code_to_scan_and_then_asked_for(site: Site) -> None:
    visitor = await site.person("viewer")
    await visitor.get("/second-factor")
    await visitor.post("/second-factor", step="offer", password=PASSWORD)
    assert 'class="qr"' in visitor.page
    secret = visitor.page.partition('name="secret" value="')[2].partition('"')[0]
    code = totp.code(base64.b32decode(secret), totp.step_of(now_utc()))
    assert (await visitor.post("/second-factor", step="confirm", code="000000", secret=secret, uri="")).status == 401
    await visitor.get("/second-factor")
    done = await visitor.post("/second-factor", step="confirm", code=code)
    assert done.status == 200
    assert visitor.page.count("<li>") == 10
    again = site.visitor()
    assert (await again.sign_in(visitor.email)).status == 200
    assert 'name="code"' in again.page
    later = totp.code(base64.b32decode(secret), totp.step_of(now_utc()) + 1)
    assert (await again.sign_in(visitor.email, code=later)).status == 303


async def test_signing_out_ends_the_session(site: Site) -> None:
    visitor = await site.person("viewer")
    before = dict(visitor.cookies)
    await visitor.get("/sims")
    assert (await visitor.post("/sign-out")).headers["location"] == "/console/sign-in"
    visitor.cookies = before
    assert (await visitor.get("/sims")).status == 303
