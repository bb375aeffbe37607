"""OpenSSL's own OCSP responder decides whether eapol_test's certificate lets it in."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from common.clock import utc_now
from tests.certificates import Authority, Issued
from tests.clients.eapol import Supplicant
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import LOOPBACK, LiveSite, running_radius, site_of_kind
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

_EAP = """\
[eap]
ca = "{ca}"
ocsp = "{mode}"
{more}
[database]"""


@dataclass
class Lab:
    """An authority with its index, a responder for it, and a site that asks that."""

    folder: Path
    authority: Authority
    responder: Issued
    port: int
    live: LiveSite
    lines: list[str] = field(default_factory=list)

    def put(self, issued: Issued, revoked: bool = False) -> None:
        """Into the index of the authority."""
        ends = issued.certificate.not_valid_after_utc.strftime("%y%m%d%H%M%SZ")
        since = utc_now().strftime("%y%m%d%H%M%SZ") if revoked else ""
        serial = f"{issued.certificate.serial_number:X}"
        serial = serial.rjust(len(serial) + len(serial) % 2, "0")
        self.lines = [line for line in self.lines if serial not in line]
        name = issued.certificate.subject.rfc4514_string()
        self.lines.append(f"{'R' if revoked else 'V'}\t{ends}\t{since}\t{serial}\tunknown\t/{name}")
        (self.folder / "index.txt").write_text("\n".join(self.lines) + "\n")

    @contextmanager
    def responding(
        self, signer: Issued | None = None, *before: str, minutes: int = 5
    ) -> Iterator[None]:
        """`openssl ocsp` as a daemon."""
        signer = signer or self.responder
        log = self.folder / "responder.log"
        with log.open("wb") as out:
            running = subprocess.Popen(
                [
                    *before,
                    *(require("openssl", "openssl"), "ocsp", "-port", str(self.port), "-text"),
                    *("-index", str(self.folder / "index.txt"), "-ignore_err"),
                    *("-CA", str(self.authority.ca), "-rsigner", str(signer.chain)),
                    *("-rkey", str(signer.key), "-nmin", str(minutes)),
                ],
                stdout=out,
                stderr=out,
                start_new_session=True,  # faketime stands between it and us
            )
        try:
            wait_until(lambda: b"waiting for OCSP client" in log.read_bytes(), 20, "no responder")
            yield
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait(10)

    def proven(self, word: str) -> int:
        """How many answers of a responder have said `word`."""
        return self.live.counter("radius_ocsp", outcome=word)

    def refused(self, reason: str) -> int:
        """How many answers proved nothing, for this reason."""
        log = self.live.site.config_file.with_name("radius.log").read_text()
        return sum("ocsp_not_proven" in line and reason in line for line in log.splitlines())

    def login(self, issued: Issued, mac: str, *options: str, inside: bool = False) -> bool:
        network = {
            "key_mgmt": "WPA-EAP",
            "eap": "TLS",
            "identity": '"somchai"',
            "client_cert": f'"{issued.chain}"',
            "private_key": f'"{issued.key}"',
        }
        if inside:
            network = {
                "key_mgmt": "WPA-EAP",
                "eap": "TTLS",
                "anonymous_identity": '"anonymous"',
                "phase2": '"autheap=TLS"',
                "identity": '"somchai"',
                "client_cert2": f'"{issued.chain}"',
                "private_key2": f'"{issued.key}"',
            }
        return Supplicant(self.live, self.folder, mac).login(network, *options).success

    def last(self, mac: str) -> tuple[str, str, list[str]]:
        rows = Supplicant(self.live, self.folder, mac).decisions()
        _name, _method, outcome, reason, trace = rows[-1]
        return outcome, reason, [item for item in trace if item.startswith("ocsp:")]


@contextmanager
def lab(
    request: pytest.FixtureRequest, folder: Path, mode: str = "required", more: str = ""
) -> Iterator[Lab]:
    require("eapol_test", "eapoltest")
    authority = Authority(folder)
    (folder / "site").mkdir()
    eap = _EAP.format(ca=authority.ca, mode=mode, more=more)
    live = site_of_kind(request, folder / "site", "sqlite", {"[database]": eap})
    live.add_nas("gate", LOOPBACK)
    live.add_person("somchai", "seven elephants")
    responder = authority.issue("Responder", usages=(ExtendedKeyUsageOID.OCSP_SIGNING,))
    made = Lab(folder, authority, responder, free_port(), live)
    (folder / "index.txt").write_text("")
    with running_radius(live):
        yield made


def phone(made: Lab) -> Issued:
    """A certificate of somchai that names the responder."""
    url = f"http://127.0.0.1:{made.port}/"
    return made.authority.issue("somchai", responder=url)


def test_good_revoked_and_unknown_are_told_apart_by_the_responder(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with lab(request, tmp_path) as made:
        good, revoked, unknown = (phone(made) for _ in range(3))
        made.put(good)
        made.put(revoked, revoked=True)
        with made.responding():
            assert made.login(good, "3c:22:fb:0c:00:01")
            assert made.last("3c:22:fb:0c:00:01") == ("accept", "ok", ["ocsp:good"])
            assert not made.login(revoked, "3c:22:fb:0c:00:02")
            told = ("reject", "certificate_revoked", ["ocsp:revoked"])
            assert made.last("3c:22:fb:0c:00:02") == told
            assert not made.login(unknown, "3c:22:fb:0c:00:03")
            told = ("reject", "certificate_refused", ["ocsp:unknown"])
            assert made.last("3c:22:fb:0c:00:03") == told
            assert made.login(good, "3c:22:fb:0c:00:04", "-r", "2")
            assert made.login(good, "3c:22:fb:0c:00:05", inside=True)
            assert made.last("3c:22:fb:0c:00:05") == ("accept", "ok", ["ocsp:good"])
            wait_until(lambda: made.proven("unknown") == 1, 10, "nothing is counted")
            assert (made.proven("good"), made.proven("revoked")) == (1, 1)
        # The answer is kept for five minutes, whatever becomes of the responder.
        assert made.login(good, "3c:22:fb:0c:00:06")


def test_without_a_responder_nobody_is_answered_until_it_is_back(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with lab(request, tmp_path, "when-named") as made:
        mac = "3c:22:fb:0c:01:01"
        issued = phone(made)
        made.put(issued)
        assert not made.login(issued, mac)
        assert Supplicant(made.live, tmp_path, mac).decisions() == []
        with made.responding():
            wait_until(lambda: made.login(issued, mac), 30, "the responder is not asked again")
        # Who names no responder needs none, in this mode.
        assert made.login(made.authority.issue("somchai"), "3c:22:fb:0c:01:02")


def test_answers_of_yesterday_and_of_strangers_let_nobody_in(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    faketime = require("faketime", "faketime")
    with lab(request, tmp_path) as made:
        issued = phone(made)
        made.put(issued)
        (tmp_path / "other").mkdir()
        stranger = Authority(tmp_path / "other").issue(
            "Responder", usages=(ExtendedKeyUsageOID.OCSP_SIGNING,)
        )
        usurper = made.authority.issue("Usurper")
        for number, (signer, reason, before) in enumerate(
            [
                (made.responder, "expired", (faketime, "-f", "-1d")),
                (stranger, "signer_not_entitled", ()),
                (usurper, "signer_not_entitled", ()),
            ]
        ):
            before_it = made.refused(reason)
            mac = f"3c:22:fb:0c:02:0{number}"
            with made.responding(signer, *before):
                assert not made.login(issued, mac)
                assert made.refused(reason) > before_it
            assert Supplicant(made.live, tmp_path, mac).decisions() == []
        with made.responding():
            wait_until(
                lambda: made.login(issued, "3c:22:fb:0c:02:09"), 30, "the right answer is late"
            )


def test_the_configured_responder_stands_for_the_named_one(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    port = free_port()
    more = f'ocsp_url = "http://127.0.0.1:{port}/"'
    with lab(request, tmp_path, "required", more) as made:
        made.port = port
        issued = made.authority.issue("somchai", responder="http://192.0.2.1/")
        made.put(issued)
        with made.responding():
            assert made.login(issued, "3c:22:fb:0c:03:01")
            wait_until(lambda: made.proven("good") == 1, 10, "nobody was asked")
