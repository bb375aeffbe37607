"""The admin portal: staff who approve, issue, look after the network, and answer requests."""

from captive_portal.admin.app import create_app

__all__ = ["create_app"]
