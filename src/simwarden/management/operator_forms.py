"""What the management API is sent about operators. Unknown properties are refused."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.accounts.roles import Role

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Short = Annotated[str, Meta(min_length=1, max_length=256)]


class _Body(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class CreateOperator(_Body, frozen=True):
    """CreateOperator."""

    name: Name
    read_only: bool = False
    role: Role | None = None
    manages: Short | None = None


class ChangeOperator(_Body, frozen=True):
    """ChangeOperator."""

    role: Role


Secret = Annotated[str, Meta(min_length=1, max_length=256)]
Email = Annotated[str, Meta(min_length=3, max_length=254)]


class _WithFactor(_Body, frozen=True, kw_only=True):
    code: Secret | None = None
    recovery_code: Secret | None = None
    cookie: bool = False


class LogIn(_WithFactor, frozen=True, kw_only=True):
    """LogIn."""

    email: Email
    password: Secret


class SetUp(_WithFactor, frozen=True, kw_only=True):
    """SetUp."""

    setup_code: Secret
    password: Secret


class SetUpFirst(_Body, frozen=True, kw_only=True):
    """SetUpFirst."""

    code: Secret
    email: Email
    name: Name
    password: Secret
    cookie: bool = False


class BeginOpenId(_Body, frozen=True):
    """BeginOpenId."""

    redirect_uri: Annotated[str, Meta(min_length=1, max_length=2048)]


class FinishOpenId(_Body, frozen=True):
    """FinishOpenId."""

    login_id: Annotated[str, Meta(min_length=1, max_length=4096)]
    code: Annotated[str, Meta(min_length=1, max_length=4096)]
    state: Secret
    issuer: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    cookie: bool = False


class ChangePassword(_Body, frozen=True):
    """ChangePassword."""

    current_password: Secret
    new_password: Secret


class OfferSecondFactor(_Body, frozen=True):
    """OfferSecondFactor."""

    current_password: Secret


class ConfirmSecondFactor(_Body, frozen=True):
    """ConfirmSecondFactor."""

    code: Secret


class CreateUser(_Body, frozen=True):
    """CreateUser."""

    email: Email
    name: Name
    role: Role
    manages: Short | None = None


class ChangeUser(_Body, frozen=True):
    """ChangeUser."""

    name: Name | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    manages: Short | UnsetType | None = UNSET
    disabled: bool | UnsetType = UNSET


class RenewSetupCode(_Body, frozen=True):
    """RenewSetupCode."""

    drop_second_factor: bool = False
