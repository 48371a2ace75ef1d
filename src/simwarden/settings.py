"""All settings, one line each; those of a kind of network element stand in its folder (southbound/README.md).

A flag beats the environment (`SIMWARDEN_<NAME>`), which beats the TOML file.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec

from simwarden.domain.countries import InvalidCountry, parse_country
from simwarden.domain.errors import SimwardenError
from simwarden.domain.intake import Intake
from simwarden.edge.clients import InvalidNetwork, Proxies
from simwarden.kit.addresses import AbsoluteUri, HttpUrl, MailAddress, MailAddresses, WebhookSecret
from simwarden.kit.files import write_once
from simwarden.kit.quantities import Days, Hours, Port, Positive, Seconds
from simwarden.southbound import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S", bound=msgspec.Struct)
PREFIX = "SIMWARDEN_"
CONFIG_FILES = (Path("simwarden.toml"), Path("/etc/simwarden/simwarden.toml"))
_USER_PASSWORD = re.compile(r"(//[^:@/?#]*):[^?#]*@")
_QUERY_PASSWORD = re.compile(r"([?&][a-z]*password=)[^&#]*", re.IGNORECASE)
SECRETS = frozenset({"secret_key", "alarm_webhook_secret", "alarm_mail_password"})
_OTHERS = "APP_KEY APP_SECRET CONFIG KEY_FILE OPERATOR_KEY SIMULATOR NODE_SMPP TEST_DATABASE_URL TEST_PICTURES URL"
NOT_SETTINGS = frozenset(PREFIX + name for name in _OTHERS.split())
"""Variables that mean something to single commands, or to the tests."""


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

    def _url(self, host: str, port: int) -> str:
        return f"{'https' if self.tls_certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def of(self, kind: type[S]) -> S:
        """The settings of one kind of network element."""
        return kind(**{name: getattr(self, name) for name in kind.__struct_fields__})

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for worker processes."""
        values = msgspec.to_builtins(self)
        return {PREFIX + name.upper(): _text(value) for name, value in values.items() if value is not None}


if TYPE_CHECKING:

    class Settings(OwnSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """What is in force."""

else:
    Settings = msgspec.defstruct(
        "Settings",
        [
            (field.name, field.type, field.default)
            for kind in registry.settings_types()
            for field in msgspec.structs.fields(kind)
        ],
        bases=(OwnSettings,),
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )

_SWITCHES = frozenset(field.name for field in msgspec.structs.fields(Settings) if field.type is bool)


def load(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    file: Path | None = None,
) -> tuple[Settings, dict[str, str]]:
    """The settings in force, and where each one comes from. Raises InvalidSettings, naming the setting and its source.

    `file` (or SIMWARDEN_CONFIG) names a TOML file that must exist; else simwarden.toml here or under /etc is read.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    path = _config_file(file, environ)
    if path is not None:
        for name, value in _read_toml(path).items():
            _take(values, sources, name, value, str(path))
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            _take(values, sources, variable[len(PREFIX) :].lower(), text, variable)
    for name, value in (flags or {}).items():
        if value is not None:
            _take(values, sources, name, value, f"--{name.replace('_', '-')}")
    if values.get("secret_key") and _key_of(str(values["secret_key"])) is None:
        raise InvalidSettings(f"{sources['secret_key']}: 64 hex digits are needed")
    for name, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
        if values.get(name) and not values.get(other):
            raise InvalidSettings(f"{sources[name]}: {other} is needed too")
    try:
        Proxies(str(values.get("trusted_proxies", "")))
    except InvalidNetwork as error:
        raise InvalidSettings(f"{sources['trusted_proxies']}: {error.message}") from None
    if values.get("alarm_mail_host") and not (values.get("alarm_mail_from") and values.get("alarm_mail_to")):
        raise InvalidSettings(f"{sources['alarm_mail_host']}: alarm_mail_from and alarm_mail_to are needed too")
    if values.get("home_country") is not None:
        try:
            parse_country(str(values["home_country"]))
        except InvalidCountry as error:
            raise InvalidSettings(f"{sources['home_country']}: {error.message}") from None
        values["home_country"] = str(values["home_country"])
    try:
        return msgspec.convert(values, Settings, strict=False), sources
    except msgspec.ValidationError as error:
        name = str(error).rpartition("`$.")[2].rstrip("`") if "`$." in str(error) else ""
        source = sources.get(name, "the settings")
        raise InvalidSettings(f"{source}: {str(error).partition(' - at')[0]}") from None


def shown(settings: Settings) -> dict[str, Any]:
    """The settings for people to see: secrets masked, the database's password too."""
    values: dict[str, Any] = msgspec.to_builtins(settings)
    values |= {name: "********" for name in SECRETS if values[name]}
    if values["database_url"]:
        values["database_url"] = masked_url(values["database_url"])
    return values


def masked_url(url: str) -> str:
    """A URL without its password, also one that is not well formed."""
    return _QUERY_PASSWORD.sub(r"\1********", _USER_PASSWORD.sub(r"\1:********@", url))


def master_key(settings: Settings) -> bytes:
    """The master key: the setting, else the key file, made on first use. Raises InvalidSettings."""
    if settings.secret_key:
        key = _key_of(settings.secret_key)
        if key is None:
            raise InvalidSettings("SIMWARDEN_SECRET_KEY: 64 hex digits are needed")
        return key
    path = key_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_key(path, os.urandom(32))
    return read_key(path)


def stored_key(settings: Settings) -> bytes | None:
    """The master key if there is one; none is made. Raises InvalidSettings."""
    if settings.secret_key or key_path(settings).exists():
        return master_key(settings)
    return None


def key_path(settings: Settings) -> Path:
    """Where the master key lies when it is in no setting."""
    return Path(settings.data_dir).expanduser() / "master.key"


def read_key(path: Path) -> bytes:
    """The master key in a file. Raises InvalidSettings."""
    try:
        key = _key_of(path.read_text(errors="replace").strip())
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}") from None
    if key is None:
        raise InvalidSettings(f"{path}: 64 hex digits are needed")
    return key


def write_key(path: Path, key: bytes) -> None:
    """Write a master key into a new file, mode 0600. One that exists stays as it is."""
    write_once(path, key.hex() + "\n")


def has_master_key(settings: Settings) -> bool:
    """Whether there is a master key already."""
    return bool(settings.secret_key) or key_path(settings).exists()


def _key_of(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == 32 else None


def _take(values: dict[str, Any], sources: dict[str, str], name: str, value: Any, source: str) -> None:
    if name not in Settings.__struct_fields__:
        known = ", ".join(sorted(Settings.__struct_fields__))
        raise InvalidSettings(f"{source}: there is no setting {name!r}. There are: {known}")
    if name in _SWITCHES and isinstance(value, str) and value.lower() in ("yes", "on", "no", "off"):
        value = value.lower() in ("yes", "on")
    values[name] = value
    sources[name] = source


def _config_file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = file or (Path(environ[PREFIX + "CONFIG"]) if environ.get(PREFIX + "CONFIG") else None)
    if named is not None and not named.is_file():
        raise InvalidSettings(f"There is no settings file {named}")
    return named or next((path for path in CONFIG_FILES if path.is_file()), None)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path} is not valid TOML: {error}") from None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
