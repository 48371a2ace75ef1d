"""Every operation of the management API, called in every role; and what a role cannot do to itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.integration.management.house import MANAGE, House

from simwarden.accounts import applications
from simwarden.accounts.roles import CONTAINS, Role
from simwarden.management import roles, routes

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTED = roles.of_document(routes.PACKAGE)


def operations() -> Iterator[tuple[str, str, str]]:
    """operationId, method and a path of each operation."""
    for path, item in MANAGE.paths.items():
        for method, operation in item.items():
            if "operationId" in operation:
                yield operation["operationId"], method.upper(), re.sub(r"\{[^}]+\}", "nothing-here", path)


def test_every_operation_says_its_roles() -> None:
    assert {name for name, _, _ in operations()} == DOCUMENTED.keys(), "write x-role: [...] below its operationId"


def test_who_may_change_something_is_never_a_mere_viewer() -> None:
    reading = {name for name, method, _ in operations() if method == "GET"}
    reading.add("tryArea")  # asks by a body what another shape would do, and changes nothing
    assert {name for name, may in DOCUMENTED.items() if Role.VIEWER in may} <= reading


@pytest.mark.parametrize("role", Role)
async def test_each_role_opens_what_the_document_says_and_nothing_else(still: House, role: Role) -> None:
    """Bodies are empty and names unknown, so nothing is done; what is refused is refused before that is looked at."""
    made = await applications.issue_operator(still.accounts, f"walker-{role}", role=role)
    token = await still.token_of(made)
    refused = set()
    for name, method, path in operations():
        if not DOCUMENTED[name]:
            continue  # open to anybody
        if name == "rotateSigningKey" and role is Role.ADMIN:
            continue  # would be done
        status = (await still.manage(method, path, {} if method in ("POST", "PATCH") else None, token=token)).status
        assert status != 401
        if status == 403:
            refused.add(name)
    assert refused == {name for name, may in DOCUMENTED.items() if may and CONTAINS[role].isdisjoint(may)}


async def test_a_token_of_fewer_scopes_does_less_than_its_role(house: House) -> None:
    made = await applications.issue_operator(house.accounts, "narrow", ["manage:read"], role=Role.ADMIN)
    token = await house.token_of(made)
    assert (await house.manage("GET", "/sims", token=token)).status == 200
    assert (await house.manage("POST", "/accounts", {"name": "x"}, token=token)).status == 403


async def test_a_role_is_given_by_administrators_only_and_by_nobody_to_itself(house: House) -> None:
    made = (await house.manage("POST", "/operators", {"name": "night", "role": "operator"})).json
    assert made["role"] == "operator"
    key = made["appKey"]
    application = await house.accounts.application(key)
    token = await house.token_of(applications.Issued(application, made["appSecret"]))
    assert (await house.manage("PATCH", f"/operators/{key}", {"role": "admin"}, token=token)).status == 403
    assert (await house.manage("POST", "/operators", {"name": "mine", "role": "admin"}, token=token)).status == 403
    assert (await house.manage("PATCH", f"/operators/{key}", {"role": "root"})).status == 400
    assert (await house.manage("PATCH", "/operators/swk_nobody", {"role": "viewer"})).status == 404

    await house.parts.audit.drain()
    tried = (await house.manage("GET", "/audit?operator=night")).json["audit"]
    assert [(row["operation"], row.get("target"), row["status"], row["role"]) for row in tried] == [
        ("createOperator", None, 403, "operator"),
        ("changeOperator", key, 403, "operator"),
    ], "who tries is seen"

    rows = {row["name"]: row for row in (await house.manage("GET", "/operators")).json["operators"]}
    assert {name: row["role"] for name, row in rows.items()} == {"ops": "admin", "eyes": "admin", "night": "operator"}
    own = await house.manage("PATCH", f"/operators/{rows['ops']['appKey']}", {"role": "viewer"})
    assert (own.status, own.json["message"]) == (409, "A key cannot change its own role")

    assert (await house.manage("POST", "/gateways/nowhere/in-service", token=token)).status == 404
    changed = await house.manage("PATCH", f"/operators/{key}", {"role": "billing"})
    assert changed.json["role"] == "billing"
    assert (await house.manage("POST", "/gateways/nowhere/in-service", token=token)).status == 403, "from the next call"
    assert (await house.manage("GET", "/usage", token=token)).status == 200
    assert (await house.manage("GET", "/sims", token=token)).status == 403


async def test_a_role_changed_elsewhere_holds_when_it_is_told_or_a_few_seconds_later(house: House) -> None:
    made = await applications.issue_operator(house.accounts, "elsewhere", role=Role.OPERATOR)
    token = await house.token_of(made)
    key = made.application.app_key
    assert (await house.manage("GET", "/sims", token=token)).status == 200
    await house.db.execute("update application set role = 'billing' where app_key = $1", key)
    house.parts.grants.invalidate(key)  # as the notification does
    assert (await house.manage("GET", "/sims", token=token)).status == 403


async def test_whose_token_is_a_customers_opens_nothing(house: House) -> None:
    assert (await house.manage("GET", "/sims", token=house.customer)).status == 403
