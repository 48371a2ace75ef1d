"""Equipment checks and charging data, broken in every way: `python -m tests.fuzz --sbi 1000000`.

What must hold for any octets: a request is understood or refused by Problem, and what is understood fits into the
columns that it is stored in. Nothing here does input or output.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import quote

from tests.fuzz.bench import Finding
from tests.fuzz.mutate import TEXTS, Mutator
from tests.support.charging import CHARGING

from simwarden.southbound.chf import codec as chf
from simwarden.southbound.eir import codec as eir
from simwarden.southbound.sbi.answers import Problem

NOW = datetime(2026, 11, 22, tzinfo=UTC)
_TIMES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z", "2026-11-20T23:59:60Z"]
_PEIS = ["imei-353689530707903", "imeisv-3536895307079001", "mac-00-11-22-33-44-55", "eui-00-11-22-33-44-55-66-77"]


def run(count: int, seed: int) -> Counter[str]:
    """So many requests of either kind; returns how they were taken. Raises Finding."""
    rng = random.Random(seed)
    mutator, taken = Mutator(rng), Counter[str]()
    for _ in range(count):
        sample = CHARGING
        if rng.random() < 0.1:
            sample = CHARGING | {"invocationTimeStamp": rng.choice(_TIMES)}
        body = mutator.body(sample)
        taken["charging " + examine(body)] += 1
        query = _query(rng)
        try:
            eir.read(query)
            taken["check"] += 1
        except Problem as problem:
            taken[f"check {problem.cause}"] += 1
        except Exception as error:
            raise Finding(f"{query!r}: {error!r}") from error
    return taken


def examine(body: bytes) -> str:
    """One body: how it was taken. Raises Finding."""
    try:
        told = chf.read(body, NOW)
        bucket, ref = chf.ref_of(1, told, stored=True)
        chf.units(told, NOW, octets=1, seconds=60)
    except Problem as problem:
        return str(problem.cause)
    except Exception as error:
        raise Finding(f"{body!r}: {error!r}") from error
    texts = [told.imsi, told.msisdn, told.imei, told.plmn, told.apn, told.rat, told.ipv4, told.ipv6, *told.cells]
    if any(text is not None and (len(text) > 256 or "\0" in text or "\n" in text) for text in texts):
        raise Finding(f"{body!r}: {texts}")
    for at in (told.at, told.began_at, told.cells_at):
        if at is not None:
            at.astimezone(UTC)
    if told.at > NOW or chf.bucket_of_ref(ref) != bucket or not 0 <= told.number <= chf.MAX_NUMBER:
        raise Finding(f"{body!r}: {told}")
    return "understood"


def _query(rng: random.Random) -> bytes:
    given = {"pei": rng.choice(_PEIS), "supi": "imsi-460000990123698", "gpsi": "msisdn-8613715266978"}
    for name in list(given):
        match rng.randrange(8):
            case 0:
                del given[name]
            case 1:
                given[name] = given[name].partition("-")[0] + "-" + rng.choice(TEXTS)
            case 2:
                given[name] = rng.choice(TEXTS)
            case 3:
                at = rng.randrange(len(given[name]))
                given[name] = given[name][:at] + chr(rng.randrange(0x300)) + given[name][at:]
    text = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in given.items())
    data = bytearray(text.encode())
    if data and rng.random() < 0.2:
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)
