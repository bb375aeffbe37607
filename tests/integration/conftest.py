"""Servers that several integration tests share."""

from tests.slapd import slapd

__all__ = ["slapd"]
