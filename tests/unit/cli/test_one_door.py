"""The commands speak to the management API, and to nothing else but when a server is to be started."""

from __future__ import annotations

import ast
from pathlib import Path

import simwarden.cli
from simwarden.cli.document import endpoints
from simwarden.cli.sim import sim  # noqa: F401 - the groups are made when they are imported

CLI = Path(str(simwarden.cli.__file__)).parent
MAY_OPEN_THE_DATABASE = {
    "database.py": "opens it for the others of this list",
    "cell_import.py": "many cells from a file, for its speed",
    "db.py": "migrations",
    "db_backup.py": "backup and restore",
    "first_key.py": "the first operator's key, when the server starts",
    "quickstart.py": "sample data beside the server",
    "serve.py": "the server itself",
    "sim_import.py": "many SIMs from a file, for its speed",
}
"""Modules of the command line, and why. This list may only shrink."""
BY_HAND = {
    "actOnSim": "a command for each action",
    "addClientKey": "reads a file",
    "confirmOperation": "a conversation: asks, and follows",
    "changeArea": "reads a GeoJSON file",
    "createRule": "conditions and actions in words",
    "createArea": "reads a GeoJSON file",
    "createLine": "a point and a radius",
    "createOperator": "writes a file",
    "countPayments": "counts page by page",
    "explainSim": "told in sentences",
    "getDelivery": "with its attempts and request",
    "getLifecycle": "in sim explain --all",
    "getOperationResult": "writes a file",
    "getRecords": "in sim show",
    "getSim": "with its records",
    "judgePayment": "a line for each rule",
    "listGatewayDoubts": "listDoubts has them, of one gateway too",
    "listUsage": "summed up",
    "listViews": "for pages",
    "exportSims": "writes a file",
    "importLines": "reads a file",
    "importSims": "for pages; `sim import` is quicker, straight into the database",
    "importSites": "reads a file",
    "importImeis": "reads a file, and sends it in pieces",
    "importTacs": "reads a file, and sends it in pieces",
    "listPlaces": "with the place now",
    "previewAction": "for pages; `sim bulk` has a preview",
    "previewBill": "a table of lines, and totals",
    "previewBulk": "a conversation: sim bulk",
    "removeAddress": "one command with setAddress",
    "removeGatewaySite": "one command with setGatewaySite",
    "removeView": "for pages",
    "replayDeliveries": "one command with replayDelivery",
    "replayDelivery": "one command with replayDeliveries",
    "saveView": "for pages",
    "searchSims": "as a person types; `sim list --text` finds parts too",
    "setAddress": "a point and a radius",
    "setGatewaySite": "a point and a radius",
    "setPlan": "reads a file",
    "closeMonth": "some accounts at a time",
    "creditInvoice": "a table of lines, and totals",
    "getInvoice": "a table of lines, and totals",
    "getInvoiceCsv": "writes a file",
    "getInvoicePdf": "writes a file",
    "getInvoiceXml": "writes a file",
    "cureSimulatedSim": "for pages; `simulate` steers the simulator itself, without a server too",
    "getSimulator": "the same; `simulate cards`",
    "infectSimulatedSim": "the same",
    "moveSimulatedSim": "the same; `simulate move`",
    "switchSimulatedGateway": "the same",
    "testSubscription": "waits for the sink's answer",
    "beginOpenIdLogin": "waits for the browser",
    "beginSecondFactor": "a conversation",
    "finishOpenIdLogin": "one command with beginOpenIdLogin",
    "changePassword": "asks for both",
    "confirmSecondFactor": "one command with beginSecondFactor",
    "createUser": "says what to do with the code",
    "getLogInWays": "for pages of browsers",
    "getOverview": "for pages; alarms, gateways and sims have commands",
    "getSession": "without what browsers need",
    "logIn": "asks for the password",
    "logOut": "removes a file",
    "renewSetupCode": "says what to do with the code",
    "setUpFirst": "for pages of browsers: commands have the key of the server",
    "setUp": "one command with logIn",
    "tryArea": "for pages; `area change` says that SIMs follow",
    "tryRule": "page by page",
    "verifyAudit": "page by page",
}
"""Operations whose commands are not built from the document, and why."""


def imported(path: Path) -> set[str]:
    """Modules of this package that a module imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_only_what_starts_a_server_opens_the_database() -> None:
    doors = ("simwarden.store", "simwarden.engine", "simwarden.cli.database")
    opening = {
        path.name
        for path in CLI.glob("*.py")
        if any(name == door or name.startswith(f"{door}.") for name in imported(path) for door in doors)
    }
    assert opening == MAY_OPEN_THE_DATABASE.keys()


def test_every_operation_of_the_api_has_its_command() -> None:
    built = {
        node.value.value
        for path in CLI.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "operation" and isinstance(node.value, ast.Constant)
    }
    assert built - endpoints().keys() == set()
    assert endpoints().keys() - built == BY_HAND.keys() - {"actOnSim"}


def test_the_document_is_read_without_its_answers_and_nothing_is_lost() -> None:
    found = endpoints()
    assert found["listSims"].is_list
    assert {each.name for each in found["listSims"].parameters} >= {"barred", "tag", "gateway", "limit", "cursor"}
    assert [each.name for each in found["addRange"].parameters] == ["accountId", "kind", "range"]
    assert found["createGateway"].has_body
    assert not found["renewGatewayToken"].has_body
    assert all(each.text for endpoint in found.values() for each in endpoint.parameters)
