"""Giving up what root may, but for a few capabilities, by Linux's own calls."""

from __future__ import annotations

import ctypes
import os
import struct

from common.errors import ConfigError

CAP_NET_ADMIN = 12
CAP_NET_RAW = 13
_LAST_CAP_KNOWN = 63
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522


def keep_only(*capabilities: int) -> None:
    """Keep these capabilities and drop every other, for this process and all it will start.

    nft and tc run as root, and get what is left in the bounding set.

    Raises:
        ConfigError: it has not even these, or the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(_LAST_CAP_KNOWN + 1):
        if number in capabilities or libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) != 1:
            continue
        _check(libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "drop what root may")
    mask = sum(1 << number for number in capabilities)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    # effective, permitted and inheritable, first of the lower 32 capabilities.
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    _check(libc.capset(header, data), "keep CAP_NET_ADMIN and CAP_NET_RAW")
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "rule out new privileges")


def _check(result: int, what: str) -> None:
    if result != 0:
        said = os.strerror(ctypes.get_errno())
        raise ConfigError(f"cannot {what}: {said}; start the gateway's helper as root")
