"""The APIs that customers call, each in a folder of its own, over a kernel that they share."""

from __future__ import annotations

import pkgutil
import re
from importlib import resources
from typing import TYPE_CHECKING

from starlette.routing import Mount

from simwarden.northbound.device_card_binding_mgmt import routes as card_binding
from simwarden.northbound.device_communication_function import routes as functions_api
from simwarden.northbound.device_communication_function_mgmt import routes as functions_mgmt
from simwarden.northbound.iot_device_management import routes as device_management
from simwarden.northbound.iot_sim_fraud_prevention import routes as fraud_prevention
from simwarden.northbound.iot_sim_fraud_prevention_subscriptions import routes as fraud_prevention_subscriptions
from simwarden.northbound.iot_sim_fraud_prevention_subscriptions.routes import FraudPreventionSubscriptions
from simwarden.northbound.kernel.devices import Devices
from simwarden.northbound.listen import routes as listen
from simwarden.northbound.subscription_status import routes as subscription_status

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from simwarden.northbound.iot_device_management.routes import LifeSource, OperationBook
    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.edge import Edge
    from simwarden.northbound.kernel.ports import (
        Binder,
        FunctionSource,
        PreferenceSource,
        SimSource,
        SubscriptionBook,
        Switcher,
    )
    from simwarden.notify.inbox import Inboxes

DOCUMENTS = {
    found.name.replace("_", "-"): f"{__name__}.{found.name}"
    for found in pkgutil.iter_modules(__path__)
    if found.ispkg and (resources.files(__name__) / found.name / "openapi.yaml").is_file()
}
"""API name to the package that holds its `openapi.yaml`: every folder here that has one."""


class Beneath(Mount):
    """All paths beneath an API's name, those with an encoded line break too, so that no stray answer is given there."""

    def __init__(self, api: Api) -> None:
        super().__init__(f"/{api.name}", app=api, name=api.name)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


def routes(
    edge: Edge,
    *,
    sims: SimSource,
    bindings: Binder,
    switches: Switcher,
    functions: FunctionSource,
    subscriptions: SubscriptionBook,
    operations: OperationBook | None = None,
    lives: LifeSource | None = None,
    accounts: PreferenceSource,
    inboxes: Inboxes,
    nai_identification: bool = False,
    allow_private_sinks: bool = False,
    subscriptions_async: bool = False,
) -> list[BaseRoute]:
    """All customer APIs, to be put into the server's route table.

    `nai_identification`: accept NAIs as device identifiers; `allow_private_sinks`: let events go to plain http
    and private addresses (demo and tests); `subscriptions_async`: answer 202 to creating and deleting subscriptions;
    without `operations` and `lives` there is no IoT Device Management.
    """
    devices = Devices(sims, network_access_identifiers=nai_identification)
    binding = fraud_prevention.api(devices, bindings, accounts, edge)
    subscribing = fraud_prevention_subscriptions.api(
        devices,
        subscriptions,
        edge,
        allow_private_sinks=allow_private_sinks,
        own_sinks=inboxes.root,
        asynchronous=subscriptions_async,
    )
    subscribed = FraudPreventionSubscriptions(
        devices, subscriptions, allow_private_sinks=allow_private_sinks, own_sinks=inboxes.root, clock=edge.clock
    )
    return [
        Beneath(binding),
        Beneath(subscribing),
        Beneath(functions_api.api(devices, switches, functions, edge)),
        Beneath(functions_mgmt.api(devices, switches, edge)),
        Beneath(card_binding.api(devices, bindings, accounts, subscribed, edge)),
        Beneath(subscription_status.api(devices, edge)),
        Beneath(listen.api(inboxes, edge)),
        *(
            [Beneath(device_management.api(devices, lives, operations, edge))]
            if operations is not None and lives is not None
            else []
        ),
    ]
