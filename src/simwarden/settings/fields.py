"""The settings that belong to no kind of network element, one line each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from simwarden.domain.countries import parse_country
from simwarden.domain.errors import SimwardenError
from simwarden.domain.intake import Intake
from simwarden.kit.addresses import (
    AbsoluteUri,
    GroupRoles,
    HttpUrl,
    MailAddress,
    MailAddresses,
    TilesUrl,
    WebhookSecret,
    is_loopback,
)
from simwarden.kit.quantities import Days, Hours, Port, Positive, Seconds

S = TypeVar("S", bound=msgspec.Struct)
PREFIX = "SIMWARDEN_"


class InvalidSettings(SimwardenError, ValueError):
    """A setting cannot be used."""


def _default_data_dir() -> str:
    if os.geteuid() == 0:
        return "/var/lib/simwarden"
    return str(Path(os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()) / "simwarden")


class OwnSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is in force, but for the settings of the single kinds of network elements."""

    data_dir: str = msgspec.field(default_factory=_default_data_dir)
    """Folder of the embedded PostgreSQL and of the master key."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8080
    """TCP port to listen on."""
    http: Literal["1", "auto"] = "1"
    """HTTP/1.1 only, or HTTP/2 with prior knowledge too: then nothing ends connections on which nothing ever comes."""
    connections: Positive = 8192
    """Open HTTP connections, all workers together; who comes beyond that waits."""
    head_seconds: Seconds = 30.0
    """Seconds within which a request's head must come; also how long a connection may be idle."""
    body_seconds: Seconds = 120.0
    """Seconds within which a request's body must be complete."""
    body_rate: Positive = 1024
    """Bytes/s that a request's body must come at on average, from its sixth second on."""
    bodies_per_address: Positive = 64
    """Request bodies that take longer than two seconds, from one address at once, per worker."""
    bodies_open: Positive = 1024
    """The same from all addresses together."""
    failed_logins_per_client: Positive = 20
    """Wrong secrets of one application from one address, at once and then in a minute, per worker; beyond that 429."""
    failed_logins_per_address: Positive = 200
    """Wrong secrets from one address, and wrong report URLs from one, at once and then in a minute, per worker."""
    open_operations: Positive = 50
    """Operations of IoT Device Management that one application may have unfinished; beyond that 429."""
    operation_devices_per_hour: Positive = 500_000
    """Devices that one application may name in them in an hour."""
    unknown_devices_per_hour: Positive = 20_000
    """Of these, devices that are no SIMs of its account."""
    trusted_proxies: str = ""
    """Reverse proxies whose X-Forwarded-For names the client: addresses and networks, parted by commas."""
    tls_certificate: str | None = None
    """PEM file with the server's certificate and its chain; with tls_key, the server speaks TLS 1.2 and 1.3 only."""
    tls_key: str | None = None
    """PEM file with the key of tls_certificate, without a password."""
    ca_file: str | None = None
    """PEM file of authorities trusted beside the system's: for gateways, sinks, the alarm webhook and mail server."""
    admin_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """TCP port for administrators: /metrics, /manage and /docs are then served there only (and all else there too)."""
    admin_host: str = "127.0.0.1"
    """Address that admin_port listens on."""
    console: Literal["auto", "on", "off"] = "auto"
    """Serve the web console at /console; auto: where administrators' address is a loopback address."""
    console_tiles: TilesUrl | None = None
    """Tiles of a map server behind the console's maps, as https://HOST/{z}/{x}/{y}.png; default: outlines only."""
    console_tiles_by: str | None = None
    """Whose map that is, shown beside it as its licence asks for."""
    public_url: str | None = None
    """How gateways and customers reach this server; default: http://HOST:PORT, with TLS https."""
    database_url: str | None = None
    """A PostgreSQL of your own, 15 or later; default: the embedded one in the data directory."""
    database_connections: Positive = 6
    """Connections held per worker."""
    standby: bool = False
    """Answer what only reads, send nothing to gateways and sinks, change nothing, until `simwarden db promote`."""
    workers: Positive = 1
    """Worker processes."""
    secret_key: str | None = None
    """Master key, 64 hex digits, for what is encrypted at rest; default: the file master.key in the data directory."""
    allow_private_sinks: bool = False
    """Let customers' sinks be plain http and on private or loopback addresses (for tests and demos)."""
    subscriptions_async: bool = False
    """Answer 202 instead of 201 when a subscription is made."""
    calls_per_second: Positive = 1000
    """Calls that an application may make, over all workers, where no limit is set for it; twice as many at once."""
    subscriptions_per_second: Positive = 50
    """Subscriptions that it may make then; ten times as many at once."""
    subscriptions_per_app_and_sim: Positive = 20
    """Active subscriptions that an application may have to one SIM; beyond that 429."""
    subscriptions_per_sim: Positive = 100
    """Active subscriptions that an account may have to one SIM, over all its applications."""
    subscriptions_per_app: Positive = 1_000_000
    """Active subscriptions that an application may have; about 1 KB each in the database."""
    subscriptions_per_account: Positive = 2_000_000
    """Active subscriptions that an account may have."""
    subscriptions_to_all_devices: Positive = 10
    """Active subscriptions of an account to all its SIMs; each event of any of them is written into their queues."""
    messages_waiting_per_account: Positive = 10_000
    """Short messages of an account that may be on their way out; beyond that 429."""
    messages_per_account_and_minute: Positive = 6_000
    """Short messages that an account may send within a minute; beyond that 429."""
    opt_out_spares_transactions: bool = False
    """Messages of category TRANSACTION go to receivers who opted out too."""
    nai_identification: bool = False
    """Accept networkAccessIdentifier to name a device (CAMARA does not currently allow it)."""
    smallest_area_radius: Positive = 1
    """Metres: smaller circles are refused by `location-verification` and `geofencing-subscriptions` (INVALID_AREA)."""
    eligibility_seconds: Positive = 3600
    """How long the answer of `eligibility-check` holds."""
    eligibility_responses_per_account: Positive = 1_000_000
    """Such answers that an account may have at a time; beyond that 429. About 400 bytes each in the database."""
    areas_per_account: Positive = 1000
    """Named areas that an account may have; beyond that 429."""
    rules_per_account: Positive = 50
    """Rules (risk) that an account may have; beyond that 429."""
    swaps_monitored_days: Positive | None = None
    """Days for which `sim-swap` and `device-swap` may tell of swaps, where a law limits that; default: no limit."""
    token_seconds: Positive = 3600
    """How long an access token is valid."""
    clock_skew_seconds: Annotated[int, msgspec.Meta(ge=0, le=60)] = 5
    """Seconds by which clocks of clients and issuers may be ahead or behind; 0 is CAMARA's profile to the letter."""
    authorizations_per_address: Positive = 600
    """Authorization requests of browsers from one address, at once and then in a minute, per worker; else 429."""
    outside_issuer: HttpUrl | None = None
    """An authorization server of your own whose access tokens are taken too; needs outside_jwks_url."""
    outside_jwks_url: HttpUrl | None = None
    """Where its public keys are."""
    outside_audience: str | None = None
    """What its tokens name as audience; default: this server's public address."""
    outside_client_claim: str = "client_id"
    """The claim that names the client, which `simwarden app client set --outside-id` leads to an application."""
    operator_token_issuer: HttpUrl | None = None
    """Entitlement server (TS.43) whose JWTs name a SIM as `operatortoken:`; needs operator_token_jwks_url."""
    operator_token_jwks_url: HttpUrl | None = None
    """Where its public keys are."""
    seen_refresh: Seconds = 900.0
    """Seconds after which a repeated sighting refreshes the stored time."""
    command_timeout: Seconds = 5.0
    """Seconds that a gateway may take to answer a command."""
    event_source: AbsoluteUri = "urn:simwarden"
    """`source` of every CloudEvent: a URI that names this installation; change it before the first event only."""
    delivery_hours: Hours = 24.0
    """Hours for which an event is offered to a sink that does not take it."""
    deliveries_kept_days: Days = 30
    """Days for which finished deliveries, dead letters too, and ended subscriptions are kept, and can be replayed."""
    attempts_kept_days: Days = 7
    """Days for which delivery attempts are kept for inspection."""
    alarm_check_seconds: Seconds = 5.0
    """Seconds between two looks for what is wrong because nothing happens (silent gateways, work that waits)."""
    alarm_backlog_seconds: Seconds = 120.0
    """Seconds that due work may wait before it is an alarm."""
    alarm_database_seconds: Seconds = 1.0
    """Seconds that one small commit may take before the database counts as slow."""
    alarm_webhook_url: HttpUrl | None = None
    """Where alarms are posted; your own endpoint, http and private addresses are allowed."""
    alarm_webhook_secret: WebhookSecret | None = None
    """Signs them in the scheme of Standard Webhooks: whsec_ and base64."""
    alarm_mail_host: str | None = None
    """SMTP server for alarms by mail; needs alarm_mail_from and alarm_mail_to."""
    alarm_mail_port: Port = 587
    """Its port."""
    alarm_mail_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted; none only within this machine or a VPN."""
    alarm_mail_user: str | None = None
    """User name at the SMTP server."""
    alarm_mail_password: str | None = None
    """Password at the SMTP server."""
    alarm_mail_from: MailAddress | None = None
    """Sender of alarms."""
    alarm_mail_to: MailAddresses | None = None
    """Who gets alarms; several addresses are parted by commas."""
    alarm_mail_seconds: Seconds = 60.0
    """Least time between two mails; each holds all that changed since the one before."""
    alarms_kept_days: Days = 90
    """Days for which alarms that are over are kept."""
    records_kept_days: Days = 30
    """Days for which messages, calls, data sessions and reports that could not be read are kept."""
    places_kept_days: Days = 30
    """Days for which it is kept where a SIM was."""
    traffic_kept_days: Days = 400
    """Days for which it is kept how many calls and messages a SIM had on a day, by country of the other side."""
    hotzone_baselines_per_minute: Positive = 300
    """Questions about new SIMs in a minute that `fraud-hotzone` has not answered an account before; beyond that 429."""
    home_country: str | None = None
    """Country (CN, or its calling code 86) of phone numbers that operators write without a plus sign."""
    strict_identifiers: bool = False
    """Refuse an IMEI or ICCID with a wrong check digit and a phone number of no known country, instead of warning."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """console for people, json for machines; auto: console on a terminal."""
    access_log: Literal["all", "errors", "off"] = "all"
    """Which API calls are logged, one line each: all, those answered with an error, or none."""
    request_log: Literal["all", "errors", "off"] = "errors"
    """Which API calls `simwarden request list` finds: all, those with an error, or none."""
    requests_kept_days: Days = 3
    """Days for which calls can be found so."""
    login_idle_minutes: Positive = 30
    """Minutes after which the session of a person who operates this server ends when it is not used."""
    login_hours: Hours = 12.0
    """Hours after which such a session ends in any case."""
    login_issuer: HttpUrl | None = None
    """OpenID provider at which people who operate this server log in, as it names itself."""
    login_client_id: str = "simwarden"
    """As what this server is known there."""
    login_client_secret: str | None = None
    """Its secret there; without one it is a public client."""
    login_claim: str = "groups"
    """Claim of the ID token that lists a person's groups; with dots one within another (`realm_access.roles`)."""
    login_roles: GroupRoles = ""
    """Which group has which role: `GROUP=ROLE`, parted by commas."""
    login_second_factor: bool = False
    """People without a second factor may do nothing but get one."""
    audit_kept_days: Days = 365
    """Days for which it can be seen what operators did (`simwarden audit list`)."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""

    @property
    def intake(self) -> Intake:
        """How identifiers that operators write are taken in. Raises InvalidCountry."""
        home = None if self.home_country is None else parse_country(self.home_country)
        return Intake(home, self.strict_identifiers)

    @property
    def base_url(self) -> str:
        """Where this server is reached, without a slash at the end."""
        return (self.public_url or self.own_url).rstrip("/")

    @property
    def own_url(self) -> str:
        """The address that the server itself listens on, without a slash at the end."""
        return self._url(self.host, self.port)

    @property
    def admin_url(self) -> str:
        """The address that administrators' commands talk to, without a slash at the end."""
        return self.own_url if self.admin_port is None else self._url(self.admin_host, self.admin_port)

    @property
    def simulator_file(self) -> Path:
        """Where virtual gateways beside the server say that they run, and where they are steered."""
        return Path(self.data_dir).expanduser() / "simulator"

    @property
    def serves_console(self) -> bool:
        """Whether the web console is served."""
        host = self.host if self.admin_port is None else self.admin_host
        return self.console == "on" or (self.console == "auto" and is_loopback(host))

    def _url(self, host: str, port: int) -> str:
        return f"{'https' if self.tls_certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def of(self, kind: type[S]) -> S:
        """The settings of one kind of network element."""
        return kind(**{name: getattr(self, name) for name in kind.__struct_fields__})

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for worker processes."""
        values = msgspec.to_builtins(self)
        return {PREFIX + name.upper(): _text(value) for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
