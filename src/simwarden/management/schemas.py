"""What the management API is sent. Unknown properties are refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain import payments
from simwarden.domain.command import Command
from simwarden.domain.device_model import DeviceModel
from simwarden.domain.equipment import ListedDevice
from simwarden.domain.errors import InvalidValue
from simwarden.domain.identifiers import parse_imei, parse_tac
from simwarden.domain.locating import Site, checked_site
from simwarden.domain.rules.area import LiftAreaExit, Radius, UnlimitArea
from simwarden.domain.rules.device import Bind, LiftMismatch, Unbind
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.rules.hand_over import HandOverSim
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.rules.quota import Allowance, Limit, SetLimits
from simwarden.domain.rules.risk import Release
from simwarden.domain.sim import Function, OnMismatch, OnUnknown, Policy, Resume
from simwarden.management.area_forms import AreaName, AreaWish

MAX_CSV = 16 * 1024 * 1024
"""Characters of a list in a bulk request."""
Tag = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.:/-]{0,62}\Z")]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=32)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Time = Annotated[datetime, Meta(tz=True)]
Network = Annotated[str, Meta(min_length=2, max_length=64)]
Networks = Annotated[tuple[Network, ...], Meta(max_length=64)]
Addresses = Annotated[tuple[Network, ...], Meta(max_length=16)]
Short = Annotated[str, Meta(min_length=1, max_length=256)]
Scopes = Annotated[tuple[Short, ...], Meta(max_length=200)]
Quota = Annotated[int, Meta(ge=1, le=10**12)]
FunctionName = Literal["VOICE", "SMS", "DATA"]
Verb = Literal[
    "open",
    "close",
    "bind",
    "unbind",
    "resume",
    "activate",
    "suspend",
    "restore",
    "deactivate",
    "delete",
    "limit",
    "limit-area",
    "unlimit-area",
    "resume-area",
    "release",
    "hand-over",
]


class BadAction(InvalidValue):
    """What is to be done is not fully or not consistently described."""


class _Body(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class PolicyBody(_Body, frozen=True):
    """Policy."""

    on_mismatch: OnMismatch | None = None
    unknown: OnUnknown | None = None
    resume: Resume | None = None

    def over(self, base: Policy) -> Policy:
        """`base` with what is said here."""
        said = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not None}
        return msgspec.structs.replace(base, **said)


HomeNetworks = Annotated[tuple[Annotated[str, Meta(pattern=r"^[0-9]{5,6}\Z")], ...], Meta(max_length=64)]
"""MCC and MNC of each."""


class CreateAccount(_Body, frozen=True):
    """CreateAccount. What is left out is as the parent has it."""

    name: Name
    parent: Name | None = None
    strict: bool | UnsetType = UNSET
    home_networks: HomeNetworks | UnsetType = UNSET
    policy: PolicyBody | None = None


class ChangeAccount(_Body, frozen=True):
    """ChangeAccount."""

    name: Name | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    home_networks: HomeNetworks | UnsetType = UNSET
    policy: PolicyBody | UnsetType = UNSET
    area: AreaName | UnsetType | None = UNSET
    area_radius: Radius | UnsetType = UNSET


class PaymentRulesBody(_Body, frozen=True):
    """PaymentRules."""

    iot_only: bool = False
    tenure_days: payments.Days | None = None
    sim_swap_hours: payments.Hours | None = None
    device_swap_hours: payments.Hours | None = None
    recycled_days: payments.Days | None = None


class CreateApplication(_Body, frozen=True):
    """CreateApplication."""

    account: Name
    name: Name
    scope_sets: Scopes = ()
    scopes: Scopes = ()
    sandbox: bool = False
    daily_quota: Quota | None = None


class ChangeApplication(_Body, frozen=True):
    """ChangeApplication."""

    daily_quota: Quota | UnsetType | None = UNSET


class Rotate(_Body, frozen=True):
    """RotateSecret."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 0


class HandOver(_Body, frozen=True):
    """HandOver."""

    application: Short


class Revoke(_Body, frozen=True):
    """RevokeApplication."""

    hand_over_to: Short | None = None


class CreateSim(_Body, frozen=True):
    """CreateSim."""

    account: Name
    imsi: Short
    iccid: Short | None = None
    phone_number: Short | None = None
    network_access_identifier: Short | None = None
    lifecycle: Literal["PRE_ACTIVE", "ACTIVE"] = "ACTIVE"
    imei: Short | None = None
    tags: Tags = ()
    ipv4: Addresses = ()
    ipv6: Addresses = ()


class ChangeSim(_Body, frozen=True):
    """ChangeSim."""

    phone_number: Short | UnsetType | None = UNSET
    network_access_identifier: Short | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    policy: PolicyBody | UnsetType = UNSET


class LimitsBody(_Body, frozen=True):
    """TrafficLimits."""

    sms_per_hour: Limit | UnsetType = UNSET
    calls_per_hour: Limit | UnsetType = UNSET
    data_allowance: Allowance | UnsetType = UNSET

    def parsed(self) -> SetLimits:
        """As the engine does it."""
        given = self.sms_per_hour, self.calls_per_hour, self.data_allowance
        return SetLimits(*(None if value is UNSET else value for value in given))


class ActionBody(_Body, frozen=True):
    """Action: what is to be done with a SIM."""

    action: Verb
    functions: Annotated[tuple[FunctionName, ...], Meta(min_length=1, max_length=3)] | None = None
    imei: Short | None = None
    imeis: Annotated[tuple[Short, ...], Meta(max_length=1000)] = ()
    tac: Short | None = None
    first_seen: bool = False
    policy: PolicyBody | None = None
    limits: LimitsBody | None = None
    area: AreaWish | None = None
    to: Name | None = None

    def parsed(self, gateways: Mapping[str, int] = MappingProxyType({}), to: str | None = None) -> Command:
        """As the engine does it. `gateways`: ids by name; `to`: id of the account that a SIM is handed over to.

        Raises BadAction, InvalidIdentifier, InvalidArea.
        """
        if self.action == "hand-over":
            self._refuse("functions", "imei", "imeis", "tac", "first_seen", "policy", "limits", "area")
            if to is None:
                raise BadAction("to must be specified: the account that gets the SIM")
            return HandOverSim(to)
        self._refuse("to")
        if self.action == "limit-area":
            self._refuse("functions", "imei", "imeis", "tac", "first_seen", "limits")
            policy = None if self.policy is None else self.policy.over(Policy())
            return (self.area or AreaWish()).parsed(policy, gateways)
        self._refuse("area")
        device = [name for name in ("imei", "imeis", "tac", "first_seen") if getattr(self, name)]
        if self.action == "limit":
            if self.limits is None:
                raise BadAction("limits must be specified")
            self._refuse("functions", "imei", "imeis", "tac", "first_seen", "policy")
            return self.limits.parsed()
        self._refuse("limits")
        if self.action in ("open", "close"):
            if self.functions is None:
                raise BadAction("functions must be specified: VOICE, SMS, DATA")
            self._refuse("imei", "imeis", "tac", "first_seen", "policy")
            mask = Function(0)
            for name in self.functions:
                mask |= Function[name]
            return SetFunctions(FunctionState(self.action), int(mask))
        if self.action == "bind":
            self._refuse("functions")
            if len(device) > 1:
                raise BadAction("Give one of imei, imeis, tac and firstSeen, not several")
            policy = None if self.policy is None else self.policy.over(Policy())
            if self.imei is not None:
                parse_imei(self.imei)
            for imei in self.imeis:
                parse_imei(imei)
            if self.tac is not None:
                parse_tac(self.tac)
            return Bind(imei=self.imei, imeis=self.imeis, tac=self.tac, first_seen=self.first_seen, policy=policy)
        self._refuse("functions", "imei", "imeis", "tac", "first_seen", "policy")
        if self.action in _BARE:
            return _BARE[self.action]
        return Unbind() if self.action == "unbind" else Transition(Step(self.action))

    def _refuse(self, *names: str) -> None:
        given = [name for name in names if getattr(self, name)]
        if given:
            raise BadAction(f"{_camel(given[0])} does not go with {self.action}")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


_BARE: dict[str, Command] = {
    "resume": LiftMismatch(),
    "unlimit-area": UnlimitArea(),
    "resume-area": LiftAreaExit(),
    "release": Release(),
}
"""Actions that need nothing but the SIM, beside the steps of its life."""


class FilterBody(_Body, frozen=True):
    """SimFilter: the SIMs for which all of this holds."""

    account: Name | None = None
    state: Literal["NEUTRAL", "ARMED", "LOCKED", "DIFFERED"] | None = None
    lifecycle: Literal["PRE_ACTIVE", "ACTIVE", "SUSPENDED", "DEACTIVATED"] | None = None
    barred: bool | None = None
    bar: Literal["IMEI_MISMATCH", "AREA_EXIT", "CLOSED_BY_CUSTOMER", "SUSPENDED", "RISK", "QUOTA"] | None = None
    tag: Tags = ()
    imei: Short | None = None
    tac: Short | None = None
    seen_before: Time | None = None
    seen_after: Time | None = None
    gateway: Name | None = None
    text: Short | None = None


class BulkRequest(ActionBody, frozen=True, rename="camel", forbid_unknown_fields=True):
    """BulkRequest: an action, and the SIMs by a filter or a list."""

    filter: FilterBody | None = None
    csv: Annotated[str, Meta(min_length=1, max_length=MAX_CSV)] | None = None


class ConfirmRequest(_Body, frozen=True):
    """ConfirmRequest."""

    confirm_token: Annotated[str, Meta(max_length=64)]


class AddRange(_Body, frozen=True):
    """AddRange."""

    kind: Literal["imsi", "iccid", "msisdn", "nai"]
    range: Short


GatewayName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]
CommandUrl = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9+.-]*://[^\s]+\Z", max_length=2048)]
Interval = Annotated[int, Meta(ge=1, le=86_400)]


class CreateGateway(_Body, frozen=True):
    """CreateGateway."""

    name: GatewayName
    kind: Short = "ejoin"
    command_url: CommandUrl | None = None
    username: Short | None = None
    password: Short | None = None
    report_interval: Interval = 60
    account: Short | None = None
    source_addresses: Networks = ()


class ChangeGateway(_Body, frozen=True):
    """ChangeGateway."""

    name: GatewayName | UnsetType = UNSET
    command_url: CommandUrl | UnsetType | None = UNSET
    username: Short | UnsetType | None = UNSET
    password: Short | UnsetType | None = UNSET
    report_interval: Interval | UnsetType = UNSET
    account: Short | UnsetType | None = UNSET
    source_addresses: Networks | UnsetType | None = UNSET


class SiteBody(_Body, frozen=True):
    """Site."""

    latitude: float
    longitude: float
    radius: float

    def parsed(self) -> Site:
        """Checked. Raises InvalidSite."""
        return checked_site(self.latitude, self.longitude, self.radius)


class ImportSites(_Body, frozen=True):
    """ImportSites."""

    csv: Annotated[str, Meta(min_length=1, max_length=MAX_CSV)]


class CreateLine(SiteBody, frozen=True, kw_only=True):
    """CreateLine."""

    account: Name
    number: Annotated[str, Meta(min_length=1, max_length=40)]
    networks: Networks = ()
    installed_at: Time | None = None


class ImportLines(_Body, frozen=True):
    """ImportLines."""

    account: Name
    csv: Annotated[str, Meta(min_length=1, max_length=MAX_CSV)]


class ImportSims(_Body, frozen=True):
    """ImportSims."""

    account: Name
    csv: Annotated[str, Meta(min_length=1, max_length=MAX_CSV)]
    update: bool = False
    dry_run: bool = False


class ImportTacs(_Body, frozen=True):
    """ImportTacs."""

    models: Annotated[tuple[DeviceModel, ...], Meta(min_length=1, max_length=500)]


class ImportImeis(_Body, frozen=True):
    """ImportImeis."""

    devices: Annotated[tuple[ListedDevice, ...], Meta(min_length=1, max_length=500)]


class ReplayRequest(_Body, frozen=True):
    """ReplayRequest."""

    since: Time
    subscription_id: Short | None = None
    delivered_too: bool = False
