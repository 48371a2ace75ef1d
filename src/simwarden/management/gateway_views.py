"""Gateways, their slots and reports, as the management API shows them. Property names are those of `openapi.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.domain.gateway_status import STATUS_MEANING
from simwarden.domain.identifiers import full_imei
from simwarden.domain.report_order import offline_after

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from simwarden.store.ports import HeldLock


def gateway(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A gateway."""
    reported = row["reported_at"]
    silent = reported is not None and now - reported > offline_after(row["report_interval"])
    shown = {
        "name": row["name"],
        "kind": row["kind"],
        "state": "NEVER_REPORTED" if reported is None else "OFFLINE" if silent else "ONLINE",
        "reportInterval": row["report_interval"],
        "createdAt": row["created_at"],
        "sims": row["sims"],
        "openEnforcements": row["open_enforcements"],
        "reports": row["reports"],
        "rejected": row["rejected"],
        "commandUrl": row["command_url"],
        "username": row["username"],
        "generation": row["generation"],
        "mac": row["mac"],
        "address": row["address"],
        "version": row["version"],
        "maxPorts": row["max_ports"],
        "maxSlots": row["max_slots"],
        "reportedAt": reported,
        "unreachableSince": row["unreachable_since"],
        "outOfServiceSince": row["out_of_service_at"],
        "account": row["account_id"],
        "sourceAddresses": row["source_addresses"] or None,
        "site": None if row["latitude"] is None else {name: row[name] for name in ("latitude", "longitude", "radius")},
    }
    return {name: value for name, value in shown.items() if value is not None}


def doubt(row: Mapping[str, Any]) -> dict[str, Any]:
    """Reports that were doubted alike."""
    shown = {
        "gateway": row["gateway"],
        "kind": row["kind"],
        "at": row["at"],
        "lastAt": row["last_at"],
        "count": row["count"],
        "message": row["message"],
        "imsi": row["imsi"] or None,
        "port": row["port"] or None,
        "slot": row["slot"] or None,
        "imei": row["imei"] and full_imei(row["imei"]),
        "against": row["against_name"],
        "outcome": row["outcome"],
        "settledAt": row["settled_at"],
    }
    return {name: value for name, value in shown.items() if value is not None}


def held_lock(lock: HeldLock) -> dict[str, Any]:
    """A lock that stays behind."""
    shown = {"imsi": lock.imsi, **lock.target.facts}
    return {name: value for name, value in shown.items() if value is not None}


def port(row: Mapping[str, Any]) -> dict[str, Any]:
    """A slot of a gateway."""
    shown = {
        "port": row["port"],
        "slot": row["slot"],
        "status": row["status"],
        "statusMeaning": STATUS_MEANING.get(row["status"]),
        "statusText": row["status_text"],
        "imei": row["imei"] and full_imei(row["imei"]),
        "imsi": row["imsi"],
        "iccid": row["iccid"],
        "phoneNumber": row["msisdn"],
        "operator": row["operator"],
        "signal": row["signal"],
        "lockedByUs": row["held"],
        "changedAt": row["changed_at"],
        "reportedAt": row["reported_at"],
    }
    return {name: value for name, value in shown.items() if value is not None}


def reject(row: Mapping[str, Any]) -> dict[str, Any]:
    """A report that could not be read."""
    return {
        "gateway": row["gateway"],
        "receivedAt": row["received_at"],
        "reason": row["reason"],
        "contentType": row["content_type"] or "",
        "size": row["size"],
        "body": bytes(row["body"]).decode("utf-8", "backslashreplace"),
    }
