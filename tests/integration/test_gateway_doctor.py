"""What the doctor says of a gateway that stands alone, and of one beside a site."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, UnixStreamServer

from captive_portal.gateway.store import Record, Store
from captive_portal.gateway.times import Times
from captive_portal.gateway.verbs import Answer, Counters, write_answer
from common.config import Config
from tests.conftest import Site, run_command
from tests.unit.captive_portal.gateway.lab import settings
from yuenyan.commands.doctor import BOX_CHECKS, CHECKS, checks_of

_BOX = """\
[site]
data_dir = "{folder}/var"
[gateway]
radius_servers = ["127.0.0.1:1812"]
secret_file = "{folder}/secret"
key_file = "{folder}/key"
nas_identifier = "hall"
portal_url = "https://portal.example/p/hall/"
public_url = "{url}"
{more}
[gateway.kernel]
inside = ["eth1"]
outside = ["eth0"]
addresses = ["10.77.0.1/24"]
socket = "{folder}/helper.sock"
"""


class _OneDevice(StreamRequestHandler):
    def handle(self) -> None:
        self.rfile.readline()
        one = Counters(mac="3c22fb010203", up_octets=0, down_octets=0, up_packets=0, down_packets=0)
        self.wfile.write(write_answer(Answer(counters=[one])))


@contextmanager
def helper(folder: Path) -> Iterator[None]:
    """A helper with one device admitted."""
    with UnixStreamServer(str(folder / "helper.sock"), _OneDevice) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def box(folder: Path, url: str = "http://10.77.0.1:8090", more: str = "") -> Path:
    """The configuration of a box with its keys."""
    (folder / "var").mkdir(exist_ok=True)
    for name in ("secret", "key"):
        (folder / name).write_text(name * 10)
        (folder / name).chmod(0o600)
    path = folder / "yuenyan.toml"
    path.write_text(_BOX.format(folder=folder, url=url, more=more))
    return path


def levels(path: Path) -> dict[str, str]:
    """The worst level of each check."""
    found: dict[str, str] = {}
    done = run_command("--config", str(path), "doctor", "--json")
    for finding in json.loads(done.stdout)["findings"]:
        if found.get(finding["check"], "ok") == "ok":
            found[finding["check"]] = finding["level"]
    return found


def test_a_box_without_a_site_is_looked_at_as_a_gateway_alone(tmp_path: Path) -> None:
    path = box(tmp_path)
    with helper(tmp_path):
        found = levels(path)
    assert not {"database", "key vault.key"} & set(found)
    assert {found[f"gateway.{name}"] for name in ("secret_file", "key_file")} == {"ok"}
    assert (found["gateway helper"], found["gateway accounting"]) == ("ok", "ok")


def test_what_keeps_a_gateway_from_working_is_named(tmp_path: Path) -> None:
    path = box(tmp_path, "http://10.99.0.1:8000", 'listen = ["[::]:8000"]')
    (tmp_path / "key").unlink()
    found = levels(path)
    assert found["gateway.key_file"] == "error"
    assert found["gateway.listen"] == "error"
    assert found["gateway.public_url"] == "warn"
    assert found["gateway helper"] == "error"


def test_records_that_wait_for_long_are_a_warning(tmp_path: Path) -> None:
    path, times = box(tmp_path), Times()
    store = Store(tmp_path / "var" / "gateway.db")
    store.open()
    for ago, level in ((60.0, "ok"), (3600.0, "warn")):
        record = Record(
            session_id="s",
            pairs=[],
            boot="another boot",
            up_seconds=0.0,
            at_seconds=times.calendar() - ago,
            replaceable=True,
        )
        store.write(records=[record])
        assert levels(path)["gateway accounting"] == level
    store.close()


def test_a_site_is_looked_at_whole(site: Site) -> None:
    assert checks_of(site.config) == CHECKS
    with_gateway = site.config.model_copy(update={"gateway": settings()})
    assert checks_of(with_gateway) == CHECKS
    alone = Config.model_validate({"site": {"data_dir": "/nowhere"}, "gateway": settings()})
    assert checks_of(alone) == BOX_CHECKS
