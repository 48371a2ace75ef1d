"""A ChargingDataRequest (TS 32.291) as an SMF sends it when a session begins."""

from __future__ import annotations

from typing import Any

CHARGING: dict[str, Any] = {
    "subscriberIdentifier": "imsi-460000990123698",
    "chargingId": 1,
    "nfConsumerIdentification": {"nodeFunctionality": "SMF", "nFName": "b1d0a1a2-0000-4000-8000-000000000001"},
    "invocationTimeStamp": "2026-11-20T23:59:00Z",
    "invocationSequenceNumber": 0,
    "notifyUri": "http://127.0.0.1:9/nsmf-callback/v1/1",
    "multipleUnitUsage": [
        {
            "ratingGroup": 1,
            "requestedUnit": {},
            "usedUnitContainer": [
                {"localSequenceNumber": 1, "uplinkVolume": 111, "downlinkVolume": 222, "totalVolume": 333}
            ],
        }
    ],
    "pDUSessionChargingInformation": {
        "userInformation": {"servedGPSI": "msisdn-8613715266978", "servedPEI": "imeisv-3536895307079001"},
        "userLocationinfo": {
            "nrLocation": {
                "tai": {"plmnId": {"mcc": "460", "mnc": "00"}, "tac": "001234"},
                "ncgi": {"plmnId": {"mcc": "460", "mnc": "00"}, "nrCellId": "012345678"},
                "ueLocationTimestamp": "2026-11-20T23:58:00Z",
            }
        },
        "pduSessionInformation": {
            "dnnId": "IoT",
            "ratType": "NR",
            "startTime": "2026-11-20T23:00:00Z",
            "pduAddress": {"pduIPv4Address": "10.45.0.7", "pduIPv6AddresswithPrefix": "2001:db8:1:2::7/64"},
        },
    },
}
