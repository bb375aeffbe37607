"""Big-endian integers of any width as columns, RFC 7011 section 6.2. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from traffic.decoders.fields import Array


def read_integers(values: Array, kind: np.dtype[Any]) -> Array:
    """Integers of one to eight octets as `kind`; too large ones saturate."""
    if values.ndim == 2:
        wide = np.zeros(len(values), np.uint64)
        for position in range(values.shape[1]):
            wide = (wide << np.uint64(8)) | values[:, position]
        values = wide
    if values.dtype.itemsize > kind.itemsize:
        values = np.minimum(values, np.iinfo(kind).max)
    return values.astype(kind)
