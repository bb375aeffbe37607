"""The directory of bench/soak.py: some people whom only a real slapd knows, while it is there.

Without slapd installed nothing of it happens and the soak goes on without.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import config as configuration
from common.config import Config
from identity.office import Office
from identity.services import roles
from tests.certificates import Authority
from tests.slapd import Slapd, person, section

PEOPLE = 40
ROLE = "soaked"
REMEMBER_SECONDS = 2
"""So short that nearly every login of theirs asks the directory."""


def is_here() -> bool:
    """Whether slapd and its tools are installed."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    return all(shutil.which(program, path=path) for program in ("slapd", "ldapmodify"))


@contextmanager
def directory(config: Config, folder: Path, password: str) -> Iterator[tuple[Config, Slapd]]:
    """A slapd with people `person0` and on, and the configuration that asks it."""
    home = folder / "slapd"
    home.mkdir()
    slapd = Slapd(home, Authority(folder, "Soak CA"))
    try:
        slapd.modify("".join(person(f"person{n}", f"Person {n}") for n in range(PEOPLE)), add=True)
        for number in range(PEOPLE):
            slapd.set_password(f"person{number}", password)
        lines = (
            f'default_role = "{ROLE}"',
            f"remember_seconds = {REMEMBER_SECONDS}",
            "timeout_seconds = 1",
        )
        assert config.source is not None
        with config.source.open("a", encoding="utf-8") as stream:
            stream.write(section(slapd, folder, *lines))
        office = Office.open(config)
        with office.database.write() as session:
            roles.set_role(session, office, ROLE, {}, "soak")
        office.database.dispose()
        yield configuration.load(config.source), slapd
    finally:
        slapd.stop()
