"""Taking the fields of one JSON object under their canonical names, and the port object that most messages carry.

This is the tolerant way in: any spelling of a key, any type of value. `fastpath` reads the same objects faster when
they are spelt as documented, and must give the same result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from simwarden.southbound.ejoin import normalise
from simwarden.southbound.ejoin.messages import Counter, PortReport
from simwarden.southbound.ejoin.normalise import Unreadable, squash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")

COUNTERS = (
    *("tot_dur", "mon_dur", "day_dur"),
    *("men_tot", "men_mon", "men_day"),
    *("mtn_tot", "mtn_mon", "mtn_day"),
    *("smsctl_tot", "smsctl_mon", "smsctl_day"),
)
"""The `n/m` counters of 4.1: call minutes, calls, talks, short messages; each total, month, day."""

TRAFFIC = ("dataflow_tot", "dataflow_day", "dataflow_24hours", "dataflow_1hour", "dataflow_last")
"""The traffic figures of 4.1, in MB."""

_PORT_FIELDS = (
    *("type", "port", "sim", "seq", "st", "imei", "iccid", "imsi", "sn", "opr", "bal", "sig"),
    *("active", "inserted", "slot_active", "led", "network"),
    *COUNTERS,
    *TRAFFIC,
    "dataflow_url",
)


def spellings(canonical: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Squashed key -> canonical name; `aliases` are further squashed keys."""
    return {squash(name): name for name in canonical} | dict(aliases)


_PORT_ALIASES = {
    "status": "st",  # v2.2
    "dataflow24hour": "dataflow_24hours",
    "dataflowlhour": "dataflow_1hour",  # the letter l for the digit 1, in the scan of 4.1
}
PORT_KEYS = spellings(_PORT_FIELDS, _PORT_ALIASES)


class Fields:
    """The fields of one object, taken one by one; what nobody took, or could read, is `rest()`."""

    def __init__(self, raw: Mapping[str, object], names: Mapping[str, str]) -> None:
        self._known: dict[str, tuple[str, object]] = {}
        self._rest: dict[str, object] = {}
        for key, value in raw.items():
            name = names.get(squash(key))
            if name is None:
                self._rest[key] = value
            elif name not in self._known:
                self._known[name] = key, value
            elif key == name:
                # Two spellings of one field: the documented one counts, the other is kept aside.
                other, shadowed = self._known[name]
                self._rest[other] = shadowed
                self._known[name] = key, value
            else:
                self._rest[key] = value

    def raw(self, name: str) -> object:
        """The value under `name` as JSON gave it, left in place; None when absent."""
        return self._known[name][1] if name in self._known else None

    def take(self, name: str, read: Callable[[object], T | None]) -> T | None:
        """What `read` makes of the value under `name`; None when absent or unreadable (which `rest` then keeps)."""
        if name not in self._known:
            return None
        key, value = self._known.pop(name)
        try:
            return read(value)
        except Unreadable:
            self._rest[key] = value
            return None

    def take_pair(
        self, name: str, read: Callable[[object], tuple[int | None, str | None]]
    ) -> tuple[int | None, str | None]:
        """The same for a code with words."""
        return self.take(name, read) or (None, None)

    def drop(self, *names: str) -> None:
        """Forget fields whose content is known otherwise."""
        for name in names:
            self._known.pop(name, None)

    def keep(self, name: str, value: object) -> None:
        """Put `value` into `rest` under `name`."""
        self._rest[name] = value

    def rest(self) -> dict[str, object] | None:
        """Everything not taken, storable; None when nothing is left."""
        left = self._rest | dict(self._known.values())
        return normalise.storable_object(left) if left else None


def take_position(fields: Fields) -> normalise.Position | None:
    """The position under `port`; v3 short messages give the slot apart."""
    position = fields.take("port", normalise.position)
    slot = fields.take("slot", normalise.integer)
    if position is not None and slot and 0 < slot < 10_000 and position.pool is None:
        return position._replace(slot=slot)
    return position


def read_report(fields: Fields) -> PortReport | None:
    """The port object in `fields` (4.1); None when it names no readable port, without which it is about nothing."""
    position = fields.take("port", normalise.position)
    if position is None:
        return None
    fields.drop("type")
    take = fields.take
    status, status_text = fields.take_pair("st", normalise.code)
    plmn, operator = take("opr", normalise.operator) or (None, None)
    counters: dict[str, Counter | str] = {}
    for name in COUNTERS:
        counter = take(name, normalise.counter)
        if counter is not None:
            counters[name] = counter
    for name in TRAFFIC:
        megabytes = take(name, normalise.decimal)
        if megabytes is not None:
            counters[name] = megabytes
    url = take("dataflow_url", normalise.text)
    if url is not None:
        counters["dataflow_url"] = url
    return PortReport(
        port=position.port,
        slot=position.slot,
        pool=position.pool,
        pool_slot=position.pool_slot,
        sequence=take("seq", normalise.integer),
        status=status,
        status_text=status_text,
        imei=take("imei", normalise.digits),
        imsi=take("imsi", normalise.digits),
        iccid=take("iccid", normalise.iccid),
        msisdn=take("sn", normalise.phone),
        plmn=plmn,
        operator=operator,
        balance=take("bal", normalise.money),
        signal=take("sig", normalise.integer),
        active=take("active", normalise.flag),
        inserted=take("inserted", normalise.flag),
        slot_active=take("slot_active", normalise.flag),
        network=take("network", normalise.integer),
        sim=take("sim", normalise.text),
        counters=counters or None,
        extra=fields.rest(),
    )
