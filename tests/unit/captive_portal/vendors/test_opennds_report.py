"""The language of deploy/opennds/yuenyan-opennds, read and signed."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from captive_portal.vendors.opennds_report import (
    Ask,
    Client,
    Done,
    answer,
    read_report,
    sign,
)
from captive_portal.vendors.profile import Forged

KEY, NONCE = "key of the router", "0123456789abcdef"
AGENT = Path(__file__).parents[4] / "deploy" / "opennds" / "yuenyan-opennds"
HEAD = "v1 1795835504 1000000\n"


def signed(text: str) -> tuple[str, str, str, bytes]:
    return KEY, NONCE, sign(KEY, NONCE, text), text.encode()


def test_every_verb_is_read() -> None:
    report = read_report(
        *signed(
            HEAD + "ask 3c:22:fb:01:02:03 10.78.0.100 eXQ=\n"
            "in 3c:22:fb:01:02:03 10.78.0.100 34e6c5ea 999990 2048 1024 none\n"
            "out 3c:22:fb:01:02:03 idle_deauth 34e6c5ea 999000 999900 3010185 0 eXQ=\n"
            "did 7 done\nwhole\n"
        )
    )
    assert report.at == datetime.fromtimestamp(1795835504, UTC)
    assert report.router_seconds == 1_000_000
    assert report.asks == [Ask(mac="3c22fb010203", ip="10.78.0.100", custom="eXQ=")]
    here, gone = report.clients
    assert here == Client(
        mac="3c22fb010203", ip="10.78.0.100", token="34e6c5ea", started=999990,
        down_octets=2048, up_octets=1024, custom="none",
        line=b"in 3c:22:fb:01:02:03 10.78.0.100 34e6c5ea 999990 2048 1024 none",
    )  # fmt: skip
    assert (gone.ended, gone.cause, gone.down_octets) == (999900, 4, 3010185)
    assert report.results == [Done(order=7, outcome="done")]
    assert report.is_whole


def test_the_ipv6_addresses_of_a_device_stand_before_what_it_carries() -> None:
    told = "fd77::5,FD77:0::AB,2001:db8:51::5,fd77::5"
    line = f"in 3c:22:fb:01:02:03 10.78.0.100 34e6c5ea 999990 2048 1024 {told} eXQ="
    (client,) = read_report(*signed(f"{HEAD}{line}\n")).clients
    assert client.more_addresses == ("fd77::5", "fd77::ab", "2001:db8:51::5")
    assert (client.custom, client.up_octets, client.line) == ("eXQ=", 1024, line.encode())
    (client,) = read_report(*signed(HEAD + line.replace(told, "none") + "\n")).clients
    assert (client.more_addresses, client.custom) == ((), "eXQ=")


def test_an_address_that_is_no_devices_is_left_out_and_counted() -> None:
    odd = "10.78.0.100,::ffff:10.78.0.100,fe80::5,febf::1,ff02::1,::,::1,::5,0:1::"
    line = "in 3c:22:fb:01:02:03 10.0.0.1 t 1 2 3 {} none\n"
    text = HEAD + line.format(f"{odd},fd77::5") + line.format(odd) + line.format("1::,64:ff9b::1")
    first, second, third = read_report(*signed(text)).clients
    assert (first.more_addresses, first.left_out) == (("fd77::5",), 9)
    assert (second.more_addresses, second.left_out) == ((), 9)
    assert (third.more_addresses, third.left_out) == (("1::", "64:ff9b::1"), 0)


@pytest.mark.parametrize(
    "why",
    ["downquota_deauth", "upquota_deauth", "download_quota_deauth", "upload_quota_deauth"],
    ids=["9.10 down", "9.10 up", "10 down", "10 up"],
)
def test_a_quota_that_is_used_up_is_the_gateways_wish(why: str) -> None:
    out = f"out 3c:22:fb:01:02:03 {why} 34e6c5ea 999000 999900 5 0 eXQ=\n"
    (gone,) = read_report(*signed(HEAD + out)).clients
    assert gone.cause == 10


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v2 1795835504 1000000\n",
        "v1 1795835504\n",
        "v1 now 1000000\n",
        "v1 -5 1000000\n",
        "v1 ١٢ 1000000\n",
        HEAD + "sing\n",
        HEAD + "ask nobody 10.0.0.1 x\n",
        HEAD + "ask 3c:22:fb:01:02:03 10.0.0.1\n",
        HEAD + "in 3c:22:fb:01:02:03 10.0.0.1 t 1 2 99999999999999999999 none\n",
        HEAD + "in 3c:22:fb:01:02:03 10.0.0.1 t 1  3 none\n",
        HEAD + "in 3c:22:fb:01:02:03 10.0.0.1 t 1 2 3 fd77::5,nobody none\n",
        HEAD + "in 3c:22:fb:01:02:03 10.0.0.1 t 1 2 3 fd77::5,, none\n",
        HEAD + "in 3c:22:fb:01:02:03 10.0.0.1 t 1 2 3 fd77::5 more none\n",
        HEAD + "did seven done\n",
        HEAD + f"ask 3c:22:fb:01:02:03 10.0.0.1 {'x' * 601}\n",
    ],
)
def test_what_cannot_be_a_report_is_refused_though_it_is_signed(text: str) -> None:
    with pytest.raises(Forged):
        read_report(*signed(text))


def test_a_signature_holds_for_one_text_one_nonce_and_one_direction() -> None:
    text = HEAD + "whole\n"
    good = sign(KEY, NONCE, text)
    for key, nonce, signature, body in (
        (KEY, NONCE, good, text + "whole\n"),
        (KEY, NONCE[::-1], good, text),
        ("another key", NONCE, good, text),
        ("", NONCE, sign("", NONCE, text), text),
        (KEY, NONCE, sign(KEY, NONCE, text, "yuenyan-opennds answer"), text),
        (KEY, NONCE, "ก" * 64, text),
        (KEY, "short", sign(KEY, "short", text), text),
    ):
        with pytest.raises(Forged):
            read_report(key, nonce, signature, body.encode())
    assert read_report(KEY, NONCE, good, text.encode()).is_whole


def test_an_answer_is_signed_as_a_whole() -> None:
    told = answer(KEY, NONCE, datetime.fromtimestamp(1795835504, UTC), ["put-out 7 aa"])
    *lines, signature = told.splitlines()
    assert lines == ["time 1795835504", "put-out 7 aa"]
    text = "time 1795835504\nput-out 7 aa\n"
    assert signature == "sig " + sign(KEY, NONCE, text, "yuenyan-opennds answer")


@pytest.mark.real
@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"], ["bash"]], ids=" ".join)
@pytest.mark.parametrize("key", ["k", "k" * 64, "k" * 65, "กุญแจ 'of' \"$(school)\" \\"])
def test_the_agent_signs_alike_in_every_shell(shell: list[str], key: str, tmp_path: Path) -> None:
    functions = AGENT.read_text().partition("\ncase ${1:-} in\n  run)")[0]
    script = tmp_path / "sign"
    script.write_text(functions + '\nKEY=$YUENYAN_KEY\nhmac_of_file "$YUENYAN_TEXT"\n')
    conf, text = tmp_path / "conf", tmp_path / "text"
    conf.write_text(f"STATE={tmp_path / 'state'}\n")
    text.write_text(f"yuenyan-opennds request\n{NONCE}\n{HEAD}whole\n")
    made = subprocess.run(
        [*shell, str(script)],
        env={
            "PATH": "/usr/bin:/bin", "YUENYAN_OPENNDS_CONF": str(conf),
            "YUENYAN_KEY": key, "YUENYAN_TEXT": str(text),
        },
        check=True, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert made.stdout.strip() == sign(key, NONCE, f"{HEAD}whole\n")
