"""Which parameters of a request may go into a link to the same page."""

from __future__ import annotations


def is_plain_name(name: str) -> bool:
    """Whether `name` is a parameter to `url_for`, not an order to it.

    `_scheme`, `_external` and the like would let an address decide where our links lead.
    """
    return not name.startswith("_") and name != "endpoint"
