"""Damaged report bodies: what broken firmware, a wrong URL or an attacker sends."""

from __future__ import annotations

#: Every one is sent as the body of a POST to the report URL; none may change anything there.
DAMAGED_BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"null",
    b"42",
    b'"port-status"',
    b"[]",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"[" * 5000,
    b"\x00\x01\x02\xff\xfe",
    b"\xef\xbb\xbf",
    b'{"type":"port-status"}',
    b'{"type":"port-status","port":"1.02","seq":1,"st":3,"imei":"353689',
    b'{"type":"port-status","port":"999.99","seq":1,"st":3,"imei":"353689530707903","imsi":"460000990123698"}',
    b'{"type":"port-status","port":null,"seq":"x","st":{},"imei":[],"imsi":true}',
    b'{"type":"port-status","port":"1.02","seq":1,"st":3,"imei":"not-an-imei","imsi":"not-an-imsi","iccid":"zz"}',
    b'{"type":"port-status","port":"1.02","seq":1,"st":3,"imei":"\xd6\xd0\xb9\xfa","imsi":"","opr":"\xff\xfe"}',
    b'{"type":"port-status","port":"1.02","port":"2.02","seq":1e999,"st":NaN}',
    b'{"type":"dev-status","seq":1,"mac":"no-mac","max-ports":-1,"status":"all fine"}',
    b'{"type":"dev-status","seq":1,"mac":"00-30-f1-00-6d-b1","max-ports":2,"status":[null,1,"x",[],{}]}',
    b'{"type":"recv-sms","sms_num":3,"sms":[[0,"1.02"],"x",[]]}',
    b'{"type":"recv-sms","sms_num":1,"sms":[[0,"1.02",1548407412,"10086","","not base64!"]]}',
    b'{"type":"cdr","port":"1.02","cid":"","begin":"yesterday"}',
    b'{"type":"quantum-status","port":"1.02"}',
    b"type=port-status&port=1.02&imsi=460000990123698",
    b"<xml><type>port-status</type></xml>",
)
