"""yuenyan.checkup.ports: what is told before anything starts on an address that is taken."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.config import Config, load
from common.errors import ConfigError
from radius_server.udp import bind
from tests.conftest import Site, free_port
from yuenyan.checkup import ports
from yuenyan.checkup.finding import Level
from yuenyan.checkup.ports import ports_of, require_free
from yuenyan.commands.serve import PROCESSES, processes

_HOLD = "import socket,sys;s=socket.create_server(('127.0.0.1',0));print(s.getsockname()[1],flush=True);sys.stdin.read()"  # noqa: E501


def configured(folder: Path, **listens: str) -> Config:
    """Everything on a port that the kernel chooses, but for what is named."""
    path = folder / "yuenyan.toml"
    any_port = '"127.0.0.1:0"'
    lines = ["[radius]", f"auth = [{listens.get('auth', any_port)}]", f"acct = [{any_port}]"]
    lines += ["[portal]", f"listen = {listens.get('portal', any_port)}"]
    lines += ["[admin]", f"listen = {any_port}", "[collector]"]
    lines += [f"{name} = [{any_port}]" for name in ("netflow", "ipfix", "syslog")]
    path.write_text("\n".join(lines), encoding="utf-8")
    return load(path)


def test_free_ports_are_no_objection(tmp_path: Path) -> None:
    require_free(configured(tmp_path), PROCESSES, 0)


def test_a_port_that_is_taken_is_named_with_its_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        config = configured(tmp_path, portal=f'"{listen}"')
        with pytest.raises(ConfigError, match=f"^portal.listen: {listen} is in use.*change the"):
            require_free(config, PROCESSES, 0)
        require_free(config, ("radius", "admin", "collector"), 0)


def test_a_second_radius_server_does_not_share_the_port_of_the_first(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    config = configured(tmp_path, auth=f'"{listen}"')
    first = bind(listen)
    try:
        bind(listen).close()  # what the kernel would allow
        with pytest.raises(ConfigError, match=f"radius.auth: {listen} is in use"):
            require_free(config, ("radius",), 0)
    finally:
        first.close()


def test_what_is_left_of_a_killed_service_is_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, "yuenyan"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as leaving:  # fmt: skip
        assert leaving.stdin is not None and leaving.stdout is not None
        config = configured(tmp_path, portal=f'"127.0.0.1:{int(leaving.stdout.readline())}"')
        with pytest.raises(ConfigError):
            require_free(config, ("portal",), 0)
        leaving.stdin.close()
        require_free(config, ("portal",), 20)


def test_a_site_that_runs_is_told_of_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, "yuenyan", "serve"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdin is not None and running.stdout is not None
        config = configured(tmp_path, portal=f'"127.0.0.1:{int(running.stdout.readline())}"')
        began = time.monotonic()
        with pytest.raises(ConfigError, match=rf"runs already \(process {running.pid}\)"):
            require_free(config, ("portal",), 20)
        assert time.monotonic() - began < 10
        running.stdin.close()


def test_a_worker_that_holds_a_port_is_of_whom_has_spawned_it(tmp_path: Path) -> None:
    hold = _HOLD.replace("import socket", "import multiprocessing,socket")
    command = [sys.executable, "-c", hold]
    for above, ours in (("exec true", False), ("exec true # yuenyan", True)):
        # A shell that waits for it; its words tell whose it is.
        shell = ["sh", "-c", f'"$@"; {above}', "sh", *command]
        with subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None and running.stdin is not None
            listen = f"127.0.0.1:{int(running.stdout.readline())}"
            found = {
                one.check: one
                for one in ports.check_ports(configured(tmp_path, portal=f'"{listen}"'))
            }[f"portal.listen {listen}"]
            running.stdin.close()
        assert (found.level is Level.OK) is ours, found


def test_every_process_that_listens_is_looked_at(tmp_path: Path) -> None:
    listening = {port.process for port in ports_of(configured(tmp_path))}
    assert listening == set(processes(Config())) - {"housekeeper"}


@pytest.mark.parametrize("command", ["serve", "portal", "admin", "radius"])
def test_nothing_starts_on_a_port_that_is_taken(
    site: Site, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(ports, "_stays", lambda _number, _command: True)
    with (
        socket.create_server(("127.0.0.1", 0)) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
    ):
        datagram.bind(("127.0.0.1", 0))
        text = site.config_file.read_text(encoding="utf-8")
        listen = f'listen = "127.0.0.1:{stream.getsockname()[1]}"'
        text = text.replace('listen = "127.0.0.1:0"', listen)
        text = text.replace(
            'auth = ["127.0.0.1:0"]', f'auth = ["127.0.0.1:{datagram.getsockname()[1]}"]'
        )
        site.config_file.write_text(text, encoding="utf-8")
        result = site.yuenyan(command)
    assert result.exit_code == 2, result
    assert result.stdout == "" and result.stderr.count("\n") == 1
    assert "is in use" in result.stderr and "change the port" in result.stderr
