"""What equipment checks ask (TS 29.511 6.1.3.2.3.1)."""

from __future__ import annotations

import pytest

from simwarden.southbound.eir.codec import LONGEST, Check, read
from simwarden.southbound.sbi.answers import Problem

KEY = "35368953070790"


@pytest.mark.parametrize(
    ("query", "check"),
    [
        (b"pei=imei-353689530707903", Check(KEY)),
        (b"pei=imeisv-3536895307079001", Check(KEY)),
        (b"pei=imeisv-3536895307079001&supi=imsi-460000990123698", Check(KEY, "460000990123698")),
        (b"supi=nai-a%40b&pei=imei-353689530707903&gpsi=extid-a%40b&supported-features=1&new=1", Check(KEY)),
        (b"pei=imei-353689530707903&gpsi=msisdn-8613715266978", Check(KEY, None, "+8613715266978")),
        (b"pei=mac-00-11-22-33-44-55", Check(None)),
        (b"pei=mac-00-11-22-33-44-55-untrusted", Check(None)),
        (b"pei=eui-00-11-22-33-44-55-66-77", Check(None)),
        (b"pei=imei-000000000000000&supi=imsi-460000990123698", Check(None, "460000990123698")),
    ],
)
def test_queries(query: bytes, check: Check) -> None:
    assert read(query) == check


@pytest.mark.parametrize(
    ("query", "status", "cause"),
    [
        (b"", 400, "MANDATORY_QUERY_PARAM_MISSING"),
        (b"pei=", 400, "MANDATORY_QUERY_PARAM_MISSING"),
        (b"supi=imsi-460000990123698", 400, "MANDATORY_QUERY_PARAM_MISSING"),
        (b"pei=353689530707903", 400, "MANDATORY_QUERY_PARAM_INCORRECT"),
        (b"pei=imei-35368953070", 400, "MANDATORY_QUERY_PARAM_INCORRECT"),
        (b"pei=imeisv-353689530707903", 400, "MANDATORY_QUERY_PARAM_INCORRECT"),
        ("pei=imei-35368953070790\u0664".encode(), 400, "INVALID_QUERY_PARAM"),
        (b"pei=imei-35368953070790%D9%A4", 400, "MANDATORY_QUERY_PARAM_INCORRECT"),
        (b"pei=mac-00", 400, "MANDATORY_QUERY_PARAM_INCORRECT"),
        (b"pei=imei-353689530707903&pei=imei-353689530707903", 400, "INVALID_QUERY_PARAM"),
        (b"pei=%ff", 400, "INVALID_QUERY_PARAM"),
        (b"&".join(b"a%d=1" % n for n in range(17)), 400, "INVALID_QUERY_PARAM"),
        (b"pei=imei-353689530707903&supi=460000990123698", 400, "OPTIONAL_QUERY_PARAM_INCORRECT"),
        (b"pei=imei-353689530707903&supi=imsi-46000'--", 400, "OPTIONAL_QUERY_PARAM_INCORRECT"),
        (b"pei=imei-353689530707903&gpsi=msisdn-1", 400, "OPTIONAL_QUERY_PARAM_INCORRECT"),
        (b"pei=" + b"1" * LONGEST, 414, "URI_TOO_LONG"),
    ],
)
def test_queries_that_are_none(query: bytes, status: int, cause: str) -> None:
    with pytest.raises(Problem) as raised:
        read(query)
    assert (raised.value.status, raised.value.cause) == (status, cause)
