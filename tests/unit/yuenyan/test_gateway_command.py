"""`yuenyan gateway` where it cannot run, and when `serve` starts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import config as configuration
from common.config import Config
from tests.conftest import run_command
from tests.unit.captive_portal.gateway.lab import settings
from yuenyan.commands.serve import PROCESSES, processes

_SECTION = """\
[site]
data_dir = "{folder}/var"
[gateway]
radius_servers = ["127.0.0.1:1812"]
secret_file = "{folder}/secret"
key_file = "{folder}/key"
nas_identifier = "hall"
portal_url = "https://portal.example/p/hall/"
public_url = "http://10.77.0.1:8090"
"""


def _write(folder: Path, text: str = _SECTION) -> Path:
    path = folder / "yuenyan.toml"
    path.write_text(text.format(folder=folder))
    return path


def test_serve_starts_a_gateway_only_where_one_is_configured() -> None:
    assert processes(Config()) == PROCESSES
    assert processes(Config(gateway=settings())) == (*PROCESSES, "gateway")


def test_a_machine_that_is_no_gateway_is_told_what_is_missing(tmp_path: Path) -> None:
    done = run_command("--config", str(_write(tmp_path, "")), "gateway")
    assert done.exit_code == 2
    assert "gateway.radius_servers" in done.stderr and "docs/gateway-setup.md" in done.stderr


@pytest.mark.parametrize(
    ("secret", "key", "problem"),
    [
        pytest.param(None, "k" * 40, "secret", id="no secret"),
        pytest.param("a secret", None, "key", id="no key"),
        pytest.param("a secret", "short", "fewer than 16 characters", id="short key"),
    ],
)
def test_a_key_file_that_is_missing_or_short_stops_the_start(
    tmp_path: Path, secret: str | None, key: str | None, problem: str
) -> None:
    for name, text in (("secret", secret), ("key", key)):
        if text is not None:
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o600)
    done = run_command("--config", str(_write(tmp_path)), "gateway")
    assert done.exit_code == 2
    assert problem in done.stderr and "docs/gateway-setup.md" in done.stderr


@pytest.mark.parametrize(
    "name", ["secret_file", "nas_identifier", "portal_url", "key_file", "public_url"]
)
def test_half_a_configuration_names_what_is_missing(tmp_path: Path, name: str) -> None:
    lines = [line for line in _SECTION.splitlines() if not line.startswith(name)]
    done = run_command("--config", str(_write(tmp_path, "\n".join(lines))), "gateway")
    assert done.exit_code == 2
    assert f"{name} is missing" in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('radius_servers = ["radius.example"]', "radius.example.go.th:1812"),
        ('radius_servers = ["a@b:1"]', "is no server"),
        ('portal_url = "portal.example"', "no address of a page"),
        ('public_url = "http://x/?a=b"', "no address of a page"),
        ("tick_seconds = 0", "tick_seconds"),
        (f'nas_identifier = "{"ก" * 85}"', "253 octets"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, line: str, message: str) -> None:
    done = run_command("--config", str(_write(tmp_path, f"[gateway]\n{line}\n")), "gateway")
    assert done.exit_code == 2
    assert message in done.stderr


def test_accounting_goes_to_the_next_port_unless_it_is_named() -> None:
    assert settings(radius_servers=["[2001:db8::1]:1645"]).accounting == (("2001:db8::1", 1646),)
    both = settings(accounting_servers=["acct.example:1813"])
    assert both.accounting == (("acct.example", 1813),)
    assert configuration.load(None).gateway.is_configured is False
