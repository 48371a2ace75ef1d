"""Tenants, their applications (APPKEY, APPSECRET), scopes and access tokens."""

from __future__ import annotations

from simwarden.accounts.oauth import routes

__all__ = ["routes"]
