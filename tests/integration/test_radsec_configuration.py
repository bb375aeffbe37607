"""What a configuration of RadSec or the proxy is told at the start, when it cannot be used."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from common import config as configuration
from common.errors import ConfigError
from radius_server.proxy import homes
from radius_server.radsec import contexts
from tests.certificates import Authority
from tests.conftest import Site
from tests.integration.radius_site import command

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"certificate": "none.pem"}, "cannot read none.pem", id="no certificate"),
        pytest.param(
            {"private_key": "other.key"},
            "cannot use other.key: key values mismatch",
            id="another's key",
        ),
        pytest.param({"certificate": "text"}, "cannot use text", id="no PEM"),
        pytest.param({"ca": "text"}, "cannot use text", id="no issuers"),
        pytest.param({"crl": "text"}, "text is no revocation list", id="no list"),
        pytest.param({"crl": "gone.crl"}, "gone.crl is no revocation list", id="list is gone"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    authority = Authority(tmp_path)
    own, other = authority.issue("own"), authority.issue("other")
    other.key.rename("other.key")
    Path("text").write_text("no certificate at all")
    files = {"certificate": own.chain, "private_key": own.key, "ca": authority.ca, **change}
    lines = "".join(f'{key} = "{value}"\n' for key, value in files.items())
    path = tmp_path / "yuenyan.toml"
    path.write_text(f"[radsec]\n{lines}")
    with pytest.raises(ConfigError, match=told):
        contexts.check(configuration.load(path))
    path.write_text(
        f'[radsec]\n{lines}[proxy.server.far]\nhost = "192.0.2.1"\ntransport = "radsec"\n'
    )
    with pytest.raises(ConfigError, match=told):
        homes.check(configuration.load(path))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('server = { a = { host = "h" } }', "the home server a needs a secret_file"),
        ('realm = [{ name = "x.example", servers = ["b"] }]', "an unknown server b"),
        ('realm = [{ name = "bob@x.example", servers = ["b"] }]', "without the @"),
        ('realm = [{ name = "x.example", servers = [] }]', "proxy.realm"),
        (
            'local_realms = ["x.example"]\nserver = { a = { host = "h", secret = "s" } }\n'
            'realm = [{ name = "x.example", servers = ["a"] }]',
            "is there twice",
        ),
    ],
)
def test_a_proxy_that_makes_no_sense_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "yuenyan.toml"
    path.write_text(f"[proxy]\n{text}\n")
    with pytest.raises(ConfigError, match=told):
        configuration.load(path)


@pytest.mark.parametrize("secret", [None, ""])
def test_a_secret_that_cannot_be_read_stops_the_start_with_one_sentence(
    site: Site, tmp_path: Path, secret: str | None
) -> None:
    if secret is not None:
        (tmp_path / "secret").write_text(secret)
    server = f'server = {{ a = {{ host = "192.0.2.1", secret_file = "{tmp_path / "secret"}" }} }}'
    text = site.config_file.read_text()
    site.config_file.write_text(text.replace("[portal]", f"[proxy]\n{server}\n[portal]"))
    run = subprocess.run(command(site, "radius"), capture_output=True, text=True, timeout=30)
    assert run.returncode == 2, run.stderr
    assert "proxy.server.a.secret_file" in run.stderr and "Traceback" not in run.stderr
