"""pyrad as a client: asks a RADIUS server whether it is alive.

The only module that may import pyrad (docs/decisions/0001). It decodes replies of a server
we chose to ask, never datagrams of strangers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyrad import packet
from pyrad.client import Client, Timeout
from pyrad.dictionary import Dictionary

_DICTIONARY = Path(__file__).parent / "dictionaries" / "status"


def is_alive(
    address: str, port: int, secret: bytes, *, accounting: bool = False, seconds: float = 1.0
) -> bool:
    """Whether the server answers Status-Server with an authentic reply. RFC 5997.

    Args:
        secret: shared secret of the NAS this machine is to that server.
        seconds: how long to wait for the one request that is sent.
    """
    client: Any = Client(
        server=address,
        authport=port,
        acctport=port,
        secret=secret,
        dict=Dictionary(str(_DICTIONARY)),
    )
    client.retries = 1
    client.timeout = seconds
    make = client.CreateAcctPacket if accounting else client.CreateAuthPacket
    request = make(code=packet.StatusServer)
    request["NAS-Identifier"] = "yuenyan-doctor"
    request.add_message_authenticator()
    try:
        reply = client.SendPacket(request)
    except (Timeout, OSError):
        return False
    finally:
        client._CloseSocket()  # the client has no public way to close
    return bool(reply.code == (packet.AccountingResponse if accounting else packet.AccessAccept))
