"""The Helm chart: linted, and rendered to what Kubernetes is to get."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.deploy.tools import helm, needs_tools
from tests.support.documents import read_yaml

from simwarden import __version__
from simwarden.settings import load

pytestmark = needs_tools
URL = "https://warden.example"


def rendered(**values: Any) -> dict[str, dict[str, Any]]:
    """Kind to object."""
    found = helm("render", publicUrl=URL, **values)
    assert "error" not in found, found
    objects = [one for name, text in found.items() if name.endswith(".yaml") for one in yaml.safe_load_all(text)]
    admin = {True: " admin", False: ""}
    return {one["kind"] + admin[one["metadata"]["name"].endswith("-admin")]: one for one in objects if one}


def container(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The one container."""
    [found] = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("values", [{}, {"replicas": 1, "ingress": {"enabled": True, "host": "warden.example"}}])
def test_helm_has_no_complaint(values: dict[str, Any]) -> None:
    found = helm("lint", publicUrl=URL, **values)
    assert found["errors"] == []
    assert [message for message in found["messages"] if message["severity"] > 1] == []


def test_the_pods_run_the_server_with_settings_that_it_knows() -> None:
    objects = rendered(settings={"workers": 3, "token_seconds": 60, "allow_private_sinks": True})
    assert set(objects) == {"Deployment", "Service", "Service admin", "PodDisruptionBudget"}
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    one = container(objects)
    assert one["image"] == f"simwarden:{__version__}"
    given = {entry["name"]: entry.get("value") for entry in one["env"]}
    assert given.pop("SIMWARDEN_DATABASE_URL") is None
    assert given.pop("SIMWARDEN_SECRET_KEY") is None
    settings, _ = load({}, {name: str(value) for name, value in given.items()})
    assert (settings.public_url, settings.workers, settings.token_seconds) == (URL, 3, 60)
    assert settings.allow_private_sinks
    ports = {port["name"]: port["containerPort"] for port in one["ports"]}
    assert ports == {"http": settings.port, "admin": settings.admin_port}
    assert spec["enableServiceLinks"] is False  # SIMWARDEN_PORT=tcp://... would be taken for a setting
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert one["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert one["livenessProbe"]["httpGet"]["path"] == "/healthz"
    selector = objects["Deployment"]["spec"]["selector"]["matchLabels"]
    assert objects["Service"]["spec"]["selector"] == selector
    assert selector.items() <= objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == selector


def test_the_user_is_the_one_of_the_image() -> None:
    user = rendered()["Deployment"]["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in (REPOSITORY / "Dockerfile").read_text()


def test_the_ingress_leads_customers_to_every_api_of_theirs_and_to_nothing_else() -> None:
    [rule] = rendered(ingress={"enabled": True, "host": "warden.example"})["Ingress"]["spec"]["rules"]
    paths = {entry["path"] for entry in rule["http"]["paths"]}
    documents = (REPOSITORY / "src" / "simwarden" / "northbound").glob("*/openapi*.yaml")
    servers = {read_yaml(path.read_text())["servers"][0]["url"] for path in documents}
    apis = {"/" + url.removeprefix("{apiRoot}/").split("/")[0] for url in servers}
    assert apis
    assert paths == apis | {"/openapi", "/oauth2", "/.well-known"}


def test_one_replica_has_no_disruption_budget() -> None:
    assert "PodDisruptionBudget" not in rendered(replicas=1)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"publicUrl": ""}, "publicUrl"),
        ({"publicUrl": "warden.example"}, "publicUrl"),
        ({"publicUrl": URL, "replicas": 0}, "replicas"),
        ({"publicUrl": URL, "setings": {}}, "setings"),
        ({"publicUrl": URL, "ingress": {"enabled": True}}, "ingress.host"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], text: str) -> None:
    assert text in helm("render", **values)["error"]
