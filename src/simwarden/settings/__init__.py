"""The settings in force: own ones (fields.py) and those of each kind of network element (its folder's settings.py).

A flag beats the environment (`SIMWARDEN_<NAME>`), which beats the TOML file.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.countries import InvalidCountry, parse_country
from simwarden.edge.clients import InvalidNetwork, Proxies
from simwarden.settings.fields import PREFIX, InvalidSettings, OwnSettings
from simwarden.settings.keys import key_of
from simwarden.southbound import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("NOT_SETTINGS", "PREFIX", "InvalidSettings", "OwnSettings", "Settings", "load", "masked_url", "shown")
CONFIG_FILES = (Path("simwarden.toml"), Path("/etc/simwarden/simwarden.toml"))
_USER_PASSWORD = re.compile(r"(//[^:@/?#]*):[^?#]*@")
_QUERY_PASSWORD = re.compile(r"([?&][a-z]*password=)[^&#]*", re.IGNORECASE)
SECRETS = frozenset({"secret_key", "alarm_webhook_secret", "alarm_mail_password", "login_client_secret"})
_OTHERS = (
    "APP_KEY APP_SECRET CONFIG KEY_FILE OPERATOR_KEY SIMULATOR NODE_AXE NODE_OIDC NODE_SMPP "
    "TEST_DATABASE_URL TEST_PICTURES URL"
)
NOT_SETTINGS = frozenset(PREFIX + name for name in _OTHERS.split())
"""Variables that mean something to single commands, or to the tests."""


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


_TOGETHER = (
    ("tls_certificate", "tls_key"),
    ("tls_key", "tls_certificate"),
    ("outside_issuer", "outside_jwks_url"),
    ("outside_jwks_url", "outside_issuer"),
    ("operator_token_issuer", "operator_token_jwks_url"),
    ("operator_token_jwks_url", "operator_token_issuer"),
)
"""Settings of which the first means nothing without the second."""


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
    if values.get("secret_key") and key_of(str(values["secret_key"])) is None:
        raise InvalidSettings(f"{sources['secret_key']}: 64 hex digits are needed")
    for name, other in _TOGETHER:
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
