"""Whether evidence can be given out: its key, its papers, and the custody register."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from common.config import Config
from common.errors import ArchiveError, NetAccessError
from db.engine import Database
from db.models import CustodyStep
from traffic.evidence.custody import archived_steps, find_break
from traffic.evidence.keys import KEY_FILE, load_key
from traffic.evidence.printing import can_print
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.lost import has_database


def check_evidence(config: Config) -> Iterator[Finding]:
    """The key of evidence, whether PDF can be made, and the custody register."""
    try:
        key = load_key(config.keys_dir)
    except NetAccessError as problem:
        yield warn(f"key {KEY_FILE}", str(problem), "without it no evidence can be given out")
    else:
        yield ok(f"key {KEY_FILE}", f"fingerprint {key.fingerprint}")
    if not can_print():
        yield warn(
            "letters as PDF",
            "WeasyPrint, or the Pango it loads, is not there; letters are text and HTML only",
            "pip install 'yuenyan[pdf]', apt-get install libpango-1.0-0 libpangoft2-1.0-0"
            " libharfbuzz-subset0 fonts-thai-tlwg",
        )
    yield from _check_register(config)


def _check_register(config: Config) -> Iterator[Finding]:
    if not has_database(config):
        return
    database = Database(config.database_url)
    try:
        if not inspect(database.engine).has_table(CustodyStep.__tablename__):
            return
        archived = archived_steps(config)
        with database.read() as session:
            broken = find_break(session, archived)
    except ArchiveError as problem:
        yield error("custody register", str(problem), "run: yuenyan archive verify")
        return
    except (NetAccessError, SQLAlchemyError):
        # That the database does not answer is said once, by check_database.
        return
    finally:
        database.dispose()
    if broken:
        yield error(
            "custody register",
            broken,
            "somebody changed it past this program; compare the printed forms and the audit trail",
        )
    else:
        yield ok("custody register", "every step follows the one before")
