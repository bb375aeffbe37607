"""From a gateway's redirect through the portal to RADIUS, with radclient as the gateway; and what
somebody who sees the token on the way can do with it."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from identity.office import Office
from tests.clients.radclient import Answer, Nas
from tests.clients.test_radclient_access import reason_of
from tests.integration.radius_site import LiveSite
from tests.unit.captive_portal.public.conftest import Visitor, make_app

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PASSWORD = "seven green elephants"
MAC, OTHER_MAC = "3C-22-FB-01-02-03", "3C-22-FB-01-02-04"
UAMSECRET = "secret of chilli"
CHALLENGE = "00112233445566778899aabbccddeeff"
# radclient takes octets for a CHAP-Password as it is only when one of them is below a space.
_ID, _NONCE = "01", "efcd0f0b119c65a5c3ab62a65b7dfdce"


@dataclass(frozen=True)
class Hall:
    """Two gateways of a site whose RADIUS server runs, and its portal."""

    live: LiveSite
    visitor: Visitor

    @property
    def mikrotik(self) -> Nas:
        return Nas(self.live, source="127.0.0.81")

    @property
    def coova(self) -> Nas:
        return Nas(self.live, source="127.0.0.82")

    def sign_in(self, name: str, path: str) -> str:
        """The text of the page that hands `name` over, who was caught and sent to `path`."""
        if not self.live.rows("SELECT 1 FROM account WHERE username = :name", name=name):
            self.live.add_person(name, PASSWORD)
        caught = self.visitor.get(path)
        assert caught.status_code == 302, caught.text
        signed_in = self.visitor.fill(caught.location, username=name, password=PASSWORD)
        return self.visitor.follow(signed_in).text

    def token(self, name: str, mac: str = MAC) -> str:
        """A token in the clear, as a gateway with http-pap gets it."""
        return form(self.sign_in(name, f"/p/old-router/?mac={mac}&ip=10.5.50.20"))["password"]

    def mikrotik_answer(self, name: str, password: str, mac: str = MAC) -> Answer:
        """What RADIUS says to the response that the form of a router with http-chap holds."""
        return self.mikrotik.login(
            {
                "User-Name": name,
                "CHAP-Password": f"0x{_ID}{password}",
                "CHAP-Challenge": f"0x{_NONCE}",
            },
            Calling_Station_Id=mac,
        )


@pytest.fixture(scope="module")
def hall(live: LiveSite) -> Iterator[Hall]:
    live.add_nas(
        "hall-router",
        "127.0.0.81/32",
        "--vendor",
        "mikrotik",
        "--login-url",
        "http://10.5.50.1/login",
    )
    live.add_nas(
        "old-router", "127.0.0.83/32", "--vendor", "mikrotik", "--login-url", "http://10.5.51.1"
    )
    live.add_nas(
        "chilli", "127.0.0.82/32", "--vendor", "coova", "--login-url", "http://10.1.0.1:3990"
    )
    live.yuenyan(
        *("nas", "portal", "chilli", "--secret-stdin", "uamsecret"), stdin=UAMSECRET + "\n"
    )
    office = Office.open(live.site.config)
    yield Hall(live, Visitor(make_app(office)))
    office.database.dispose()


def form(page: str) -> dict[str, str]:
    """The hidden fields of a hand-over."""
    found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: html.unescape(text) for name, text in found}


def chap_redirect(nas: str = "hall-router") -> str:
    escaped = "".join(f"%5C{octet:03o}" for octet in bytes.fromhex(_NONCE))
    return f"/p/{nas}/?mac={quote(MAC)}&ip=10.5.50.20&chap-id=%5C001&chap-challenge={escaped}"


def test_a_router_with_chap_lets_the_visitor_in_once(hall: Hall) -> None:
    password = form(hall.sign_in("chap-visitor", chap_redirect()))["password"]
    answer = hall.mikrotik_answer("chap-visitor", password)
    assert answer.code == "Access-Accept", answer.output
    assert reason_of(hall.live, "chap-visitor") == ("token", "accept", "ok")
    assert hall.mikrotik_answer("chap-visitor", password).code == "Access-Reject"
    assert reason_of(hall.live, "chap-visitor")[2] == "token_spent"


def test_a_response_of_a_router_is_good_for_no_other_device(hall: Hall) -> None:
    password = form(hall.sign_in("chap-other", chap_redirect()))["password"]
    assert hall.mikrotik_answer("chap-other", password, OTHER_MAC).code == "Access-Reject"
    assert reason_of(hall.live, "chap-other")[2] == "token_for_another_device_or_nas"
    assert hall.mikrotik_answer("chap-other", password).code == "Access-Accept"


def test_chilli_lets_in_who_comes_with_its_signature_and_nobody_else(hall: Hall) -> None:
    asked = f"res=notyet&challenge={CHALLENGE}&mac={MAC}&ip=10.1.0.20&userurl=http%3a%2f%2fa.test"
    signed = f"http://localhost/p/chilli/?{asked}{UAMSECRET}"
    md = hashlib.md5(signed.encode()).hexdigest().upper()
    changed = asked.replace(MAC, OTHER_MAC)
    for forged in (asked, f"{changed}&md={md}", f"{asked}&md={md}&mac={OTHER_MAC}"):
        assert hall.visitor.get(f"/p/chilli/?{forged}").status_code == 400
    page = hall.sign_in("uam-visitor", f"/p/chilli/?{asked}&md={md}")
    link = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page)
    assert link is not None
    query = parse_qs(urlsplit(html.unescape(link[1])).query)
    key = hashlib.md5(bytes.fromhex(CHALLENGE) + UAMSECRET.encode()).hexdigest()
    answer = hall.coova.login(
        {
            "User-Name": query["username"][0],
            "CHAP-Password": f"0x00{query['response'][0]}",
            "CHAP-Challenge": f"0x{key}",
        },
        Calling_Station_Id=MAC,
    )
    assert answer.code == "Access-Accept", answer.output


def test_a_token_seen_on_the_way_opens_no_other_gateway(hall: Hall) -> None:
    token = hall.token("carried-off")
    for source in ("127.0.0.81", "127.0.0.82", "127.0.0.1"):
        stolen = Nas(hall.live, source=source).access("carried-off", token, Calling_Station_Id=MAC)
        assert stolen.code == "Access-Reject"
        assert reason_of(hall.live, "carried-off")[2] == "token_for_another_device_or_nas"
    own = Nas(hall.live, source="127.0.0.83")
    assert own.access("carried-off", token, Calling_Station_Id=MAC).code == "Access-Accept"


def test_a_token_is_good_for_nobody_else(hall: Hall) -> None:
    token = hall.token("owner")
    hall.live.add_person("thief", PASSWORD)
    own = Nas(hall.live, source="127.0.0.83")
    assert own.access("thief", token, Calling_Station_Id=MAC).code == "Access-Reject"
    assert own.access("owner", token[:-1], Calling_Station_Id=MAC).code == "Access-Reject"
    assert own.access("owner", token, Calling_Station_Id=MAC).code == "Access-Accept"


def test_of_many_who_present_a_token_at_once_one_gets_in(hall: Hall) -> None:
    token = hall.token("raced")
    own = Nas(hall.live, source="127.0.0.83")

    def present(_number: int) -> str:
        return own.access("raced", token, Calling_Station_Id=MAC).code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(present, range(8)))
    assert codes == ["Access-Accept"] + ["Access-Reject"] * 7


def test_a_hand_over_is_not_made_up_of_somebody_elses_parts(hall: Hall) -> None:
    hall.live.add_person("patient", PASSWORD)
    caught = hall.visitor.get(f"/p/old-router/?mac={quote(MAC)}")
    signed_in = hall.visitor.fill(caught.location, username="patient", password=PASSWORD)
    assert hall.visitor.get(signed_in.location).status_code == 200
    visit, sign_in = _parts(signed_in.location)
    # Not the last one: some of its bits are in no octet.
    changed = f"{visit[:-9]}{'A' if visit[-9] != 'A' else 'B'}{visit[-8:]}"
    assert hall.visitor.get(f"/connect?visit={changed}&s={sign_in}").status_code == 400
    # The text of one kind is none of the other, and neither is a changed one.
    for forged in (visit, f"{sign_in}x", sign_in.swapcase(), ""):
        answer = hall.visitor.get(f"/connect?visit={visit}&s={forged}")
        assert (answer.status_code, "yt-" in answer.text) == (302, False)
    ended = hall.visitor.fill(f"/status?visit={visit}&s={sign_in}", action="sign-out")
    assert ended.status_code == 303
    answer = hall.visitor.get(f"/connect?visit={visit}&s={sign_in}")
    assert (answer.status_code, "yt-" in answer.text) == (302, False)


def _parts(location: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(location).query)
    return query["visit"][0], query["s"][0]
