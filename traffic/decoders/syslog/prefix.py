"""How the source of a gap of log lines is told from one of flows. Loads nothing."""

from __future__ import annotations

PREFIX = "syslog "
"""What the source of such a gap begins with; its kinds of record follow the address."""
