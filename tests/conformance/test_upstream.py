"""Our OpenAPI documents differ from CAMARA's where the lists under `differences/` say so, and nowhere else.

The lists are written anew by `python -m tests.conformance.test_upstream`; docs/camara-deviations.md has the reasons.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from tests.conformance import contract
from tests.conformance.facts import common_differences, differences
from tests.support.documents import read_yaml

from simwarden import northbound
from simwarden.reference.bundle import COMMON, bundled

LISTS = Path(__file__).parent / "differences"
UPSTREAM_COMMON = contract.CAMARA / "Commonalities" / "r4.3-synced-common" / "CAMARA_common.yaml"
NAMES = (*contract.OF_CAMARA, "common")


def found(name: str) -> list[str]:
    """The differences there are."""
    if name == "common":
        # Two schemas bear the names of IoT SIM Fraud Prevention 0.1.0, which is older.
        theirs = UPSTREAM_COMMON.read_text(encoding="utf-8").replace("Ipv4Address", "Ipv4Addr")
        ours = (resources.files(northbound) / COMMON).read_text(encoding="utf-8")
        return common_differences(read_yaml(theirs), read_yaml(ours))
    theirs = (contract.CAMARA / contract.OF_CAMARA[name]).read_text(encoding="utf-8")
    return differences(read_yaml(theirs), read_yaml(bundled(northbound.DOCUMENTS[name])))


@pytest.mark.skipif(not contract.CAMARA.is_dir(), reason="CAMARA's documents (../shared/camara) are not at hand")
@pytest.mark.parametrize("name", NAMES)
def test_the_documents_differ_from_camaras_as_the_lists_say(name: str) -> None:
    assert found(name) == (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()


TEXT = """
paths:
  /bind:
    post:
      parameters:
        - name: x-correlator
          in: header
          schema: {$ref: "#/components/schemas/Word"}
      requestBody:
        required: true
        content: {application/json: {schema: {allOf: [{$ref: "#/components/schemas/Word"}, {minLength: 2}]}}}
      responses:
        "200":
          headers: {x-correlator: {}}
          content: {application/json: {schema: {properties: {bound: {type: boolean, description: Text}}}}}
        "404": {$ref: "#/components/responses/Generic404"}
components:
  schemas:
    Word: {type: string, maxLength: 9, enum: [a, b]}
  responses:
    Generic404:
      content: {application/json: {schema: {allOf: [{properties: {code: {enum: [NOT_FOUND]}}}]}}}
"""


@pytest.mark.parametrize(
    ("old", "new", "listed"),
    [
        ("Text", "Other text", []),
        ("[a, b]", "[b, a]", []),
        ("maxLength: 9", "maxLength: 10", ["+ Word maxLength 10", "- Word maxLength 9"]),
        ("[a, b]", "[a]", ["- Word enum b"]),
        ("in: header", "in: query", ["- header x-correlator", "- header x-correlator: Word", "+ query x-correlator"]),
        ("required: true", "required: false", ["+ body application/json", "- body application/json (required)"]),
        ("{minLength: 2}", "{minLength: 3}", ["- body minLength 2", "+ body minLength 3"]),
        ("type: boolean", "type: string", ["- 200.bound type boolean", "+ 200.bound type string"]),
        ("[NOT_FOUND]", "[NOT_FOUND, IDENTIFIER_NOT_FOUND]", ["+ 404 IDENTIFIER_NOT_FOUND"]),
        ("headers: {x-correlator: {}}", "headers: {}", ["- 200 header x-correlator"]),
        ('"404": {$ref: "#/components/responses/Generic404"}', "", ["- 404 NOT_FOUND"]),
        ("post:", "put:", ["- POST /bind 200 application/json", "+ PUT /bind 404 NOT_FOUND"]),
    ],
)
def test_each_kind_of_difference_is_seen(old: str, new: str, listed: list[str]) -> None:
    assert TEXT.count(old) == 1
    lines = differences(read_yaml(TEXT), read_yaml(TEXT.replace(old, new)))
    assert set(listed) <= {line.replace("POST /bind ", "") for line in lines} | set(lines)
    assert bool(lines) == bool(listed)


if __name__ == "__main__":
    for each in NAMES:
        (LISTS / f"{each}.txt").write_text("".join(f"{line}\n" for line in found(each)), encoding="utf-8")
