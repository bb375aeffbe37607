"""The public portal: login, vouchers, registration, status, and what phones ask by themselves."""

from captive_portal.public.app import create_app

__all__ = ["create_app"]
