"""Documents over `common.yaml`: the bundled document says what the written one says, and nothing is written twice."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.support.documents import read_yaml, write_yaml

import simwarden
from simwarden.reference.bundle import BundleError, bundle, bundled, components

SOURCE = Path(str(simwarden.__file__)).parent
COMMON = SOURCE / "northbound" / "common.yaml"
FILES = sorted(SOURCE.rglob("openapi.yaml"))
LONG = 5
"""Lines (of YAML) from which on a component must not stand in two documents."""
OWN = ("Device", "DeviceIpv4Addr", "DeviceResponse", "Port", "Subscription", "Types")
OPEN = {("schemas", name) for name in OWN}
"""In documents on Commonalities 0.6 as in CAMARA's: open to unknown properties, port 0 too. The common ones, by
Commonalities 0.8, are not. DeviceResponse, Types and Subscription refer to what is the document's own: Device, event
types, what is configured."""


def package(path: Path) -> str:
    return ".".join(("simwarden", *path.parent.relative_to(SOURCE).parts))


def named(path: Path) -> str:
    return path.parent.name


@cache
def read(path: Path) -> Any:
    return read_yaml(path.read_text(encoding="utf-8"))


def resolved(node: Any, path: Path, whole: Any) -> Any:
    """`node` of the file at `path` without references; a file is found from the place of the file that refers to it."""
    if isinstance(node, list):
        return [resolved(each, path, whole) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        file, _, pointer = node["$ref"].partition("#/")
        other = (path.parent / file).resolve() if file else path
        document = read(other) if file else whole
        found = document
        for key in pointer.split("/"):
            found = found[key]
        return resolved(found, other, document)
    return {key: resolved(value, path, whole) for key, value in node.items()}


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_bundled_document_says_what_the_written_one_says(path: Path) -> None:
    written, whole = read(path), read_yaml(bundled(package(path)))
    for section, entries in written["components"].items():
        assert entries.keys() <= whole["components"][section].keys()
        for name, entry in entries.items():
            assert resolved(whole["components"][section][name], path, whole) == resolved(entry, path, written)
    for key in (written.keys() | whole.keys()) - {"components"}:
        assert resolved(whole[key], path, whole) == resolved(written[key], path, written)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_bundled_document_is_complete_in_itself_and_has_nothing_that_it_does_not_use(path: Path) -> None:
    text = bundled(package(path))
    assert "common.yaml" not in text
    whole = read_yaml(text)
    used = set(re.findall(r'"#/components/(\w+)/([\w-]+)"', text))
    for section, name in used:
        assert name in whole["components"][section]
    own = components(path.read_text(encoding="utf-8"))
    taken = {(section, name) for section in whole["components"] for name in whole["components"][section]}
    taken -= {(section, name) for section in own for name in own[section]}
    assert taken <= used


def test_every_common_component_has_two_users() -> None:
    users = defaultdict(list)
    for path in FILES:
        for section, entries in components(bundled(package(path))).items():
            for name, entry in entries.items():
                users[section, name, entry].append(path)
    for section, entries in components(COMMON.read_text(encoding="utf-8")).items():
        for name, entry in entries.items():
            assert len(users[section, name, entry]) >= 2, (section, name)


def test_no_two_documents_have_the_same_component_of_their_own() -> None:
    seen = defaultdict(list)
    for path in FILES:
        for section, entries in read(path)["components"].items():
            for name, entry in entries.items():
                if len(write_yaml(entry).splitlines()) >= LONG and (section, name) not in OPEN:
                    seen[section, name, json.dumps(entry, sort_keys=True)].append(named(path))
    assert {(section, name): users for (section, name, _), users in seen.items() if len(users) > 1} == {}


TEXT = """openapi: 3.0.3
paths:
  /a:
    get:
      responses:
        "401":
          $ref: "../common.yaml#/components/responses/Generic401"
components:
  securitySchemes:
    openId:
      $ref: "../common.yaml#/components/securitySchemes/openId"
  schemas:
    Own:
      type: string
"""
SHARED = """components:
  securitySchemes:
    openId:
      type: openIdConnect
  headers:
    x-correlator:
      description: Found again
  responses:
    Generic401:
      description: Who?
      headers:
        x-correlator:
          $ref: "#/components/headers/x-correlator"
  examples:
    UNUSED:
      value: 1
"""


def test_what_is_used_is_taken_with_what_it_uses() -> None:
    text = bundle("x: y\n" + TEXT, components("x: y\n" + SHARED))
    assert text.startswith("x: y\nopenapi: 3.0.3\n")
    assert read_yaml(text)["components"] == {
        "securitySchemes": {"openId": {"type": "openIdConnect"}},
        "schemas": {"Own": {"type": "string"}},
        "headers": {"x-correlator": {"description": "Found again"}},
        "responses": {
            "Generic401": {
                "description": "Who?",
                "headers": {"x-correlator": {"$ref": "#/components/headers/x-correlator"}},
            }
        },
    }
    assert '$ref: "#/components/responses/Generic401"' in text


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("responses/Generic401", "responses/Generic499", "no responses/Generic499"),
        ("    Own:", "    Own: {}\n  responses:\n    Generic401:", "a component responses/Generic401 of its own"),
        ("components:\n  securitySchemes", "parts:\n  securitySchemes", "no components"),
        ("    Own:", "   Own:", "Neither a section nor a part"),
    ],
)
def test_what_does_not_fit_is_refused(old: str, new: str, complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint):
        bundle(TEXT.replace(old, new), components("x: y\n" + SHARED))
