"""Programs that nobody here wrote, which some tests need.

Missing ones skip the test loudly on somebody's machine and fail it where CI is set, so that
a green run there means that the real clients were run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_SYSTEM_FOLDERS = "/usr/sbin:/sbin"
"""Where Debian keeps what an ordinary user's PATH does not show."""


def require(program: str, debian_package: str) -> str:
    """The path of `program`; otherwise the test is skipped, or fails in CI."""
    search = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}"
    found = shutil.which(program, path=search)
    if found is None:
        missing(f"{program} is not installed (apt-get install {debian_package})")
    return found


def require_postgresql() -> Path:
    """The folder with initdb and postgres: Debian's newest, else the one on the PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: [int(part) for part in path.parts[4].split(".") if part.isdigit()],
    )
    if versions:
        return versions[-1].parent
    return Path(require("initdb", "postgresql")).resolve().parent


def require_root() -> None:
    """Skip the test, or fail it in CI, when it does not run as root."""
    if os.geteuid() != 0:
        missing("needs root")


def missing(what: str) -> NoReturn:
    """Skip the test for want of `what`, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
