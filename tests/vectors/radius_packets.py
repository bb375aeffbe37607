"""Whole packets printed in RFCs, and attributes built by hand for the edges.

Each was checked by recomputing its MD5 or HMAC-MD5 with the printed secret.
"""

from __future__ import annotations

from dataclasses import dataclass

SECRET = b"xyzzy5461"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A request and its reply as an RFC prints them, in hex."""

    source: str
    request: str
    response: str
    password: bytes | None = None


VECTORS = (
    Vector(
        source="RFC 2865 7.1",
        request="010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f78"
        "2a0aee0406c0a80110050600000003",
        response="0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103",
        password=b"arctangent",
    ),
    Vector(
        source="RFC 2865 7.2",
        request="010100472aee86f08d0d55969ca5978e0d3367a20108666c6f707379031316e97557c316185895f293"
        "ff63440772750406c0a80110050600000014060600000002070600000001",
        response="0201003815efbc7dab26cfa3dc34d9c03c8601a40606000000020706000000010806fffffffe0a06"
        "000000020d06000000010c06000005dc",
    ),
    Vector(
        source="RFC 2865 7.3, first",
        request="01020039f3a47a1f6a6d76710b947ab93041a03901076d6f7073790212336575737782"
        "89b570885e15084825c50406c0a80110050600000007",
        response="0b02004e36f3c8764ae8c71157403c0c71ff9c4512304368616c6c656e67652033323736393433302e"
        "2020456e74657220726573706f6e73652061742070726f6d70742e180a3332373639343330",
        password=b"challenge",
    ),
    Vector(
        source="RFC 2865 7.3, second",
        request="01030043b122556d428a13d0d6253807c457ecf001076d6f7073790212692c1f205fc081b919b95195"
        "f561a5810406c0a80110050600000007180a3332373639343330",
        response="03030014a42f4fca45916c4e09c8340f9e746aa0",
        password=b"99101462",
    ),
    Vector(
        source="RFC 5997 6.1",
        request="0cda00268a54f4686fb394c52866e302185d062350125a665e2e1e8411f3e243822097c84fa3",
        response="02da0014ef0d552a4bf2d693ec2b6fe8b5411d66",
    ),
    Vector(
        source="RFC 5997 6.2",
        request="0cb30026925f6b66dd5fed571fcb1db7ad3882605012e8d6eabda910875cd91fdade26367858",
        response="05b300140f6f92145f107e2f504e860a4860669c",
    ),
    Vector(
        source="RFC 5997 6.3",
        request="0c47002cbf58de56ae408ad3b70c8513f9b03fbe0406c00002105012852d6fec61e7ed74b8e32dac2f"
        "2a5fb2",
        response="0247003446f43e62fd0354424cbbebfd6d214e06122052414449555320536572766572207570203220"
        "646179732c2031383a3430",
    ),
)

ZERO_LENGTH_VENDOR = bytes.fromhex("0107001f" + "00" * 16 + "1a0b" + "00000009" + "0100" + "000000")
"""31 octets: a vendor sub-attribute of length 0, which sends some decoders round for ever."""
