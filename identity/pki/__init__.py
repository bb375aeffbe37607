"""Certificates: how they are made, what names they bear, where they lie, when they end."""
