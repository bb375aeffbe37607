"""The method a device took last is proposed first; nothing else changes."""

from __future__ import annotations

from identity.domain.access import Denied, Granted, Method, Reason
from radius_server.eap.habits import Habits
from radius_server.eap.methods.gtc import gtc
from radius_server.eap.negotiation import Offer
from radius_server.eap.packet import Type
from radius_server.process.questions import Answered
from tests.unit.radius_server.eap.peer import account

OFFERS = [Offer(kind, kind.name, Method.EAP, gtc) for kind in (Type.TTLS, Type.PEAP, Type.TLS)]
GRANTED = Answered(decision=Granted(account=account(), method=Method.EAP_PEAP))
DENIED = Answered(decision=Denied(Reason.WRONG_PASSWORD, Method.EAP_PEAP))


def order(habits: Habits, station: str | None) -> list[Type]:
    return [offer.type for offer in habits.ordered(OFFERS, station, "eap")]


def test_what_was_taken_comes_first_and_the_rest_stays_in_order() -> None:
    habits = Habits()
    habits.learn("a", {"eap": Type.TLS}, GRANTED)
    assert order(habits, "a") == [Type.TLS, Type.TTLS, Type.PEAP]
    assert order(habits, "b") == order(habits, None) == [Type.TTLS, Type.PEAP, Type.TLS]


def test_a_refused_login_teaches_nothing() -> None:
    habits = Habits()
    habits.learn("a", {"eap": Type.TLS}, DENIED)
    habits.learn("a", {"eap": Type.TLS}, DENIED.decision)
    habits.learn(None, {"eap": Type.TLS}, GRANTED)
    assert order(habits, "a") == [Type.TTLS, Type.PEAP, Type.TLS]


def test_a_resumed_login_keeps_what_was_inside() -> None:
    habits = Habits()
    habits.learn("a", {"eap": Type.PEAP, "inner": Type.GTC}, GRANTED)
    habits.learn("a", {"eap": Type.PEAP}, GRANTED)
    inner = [Offer(kind, kind.name, Method.EAP, gtc) for kind in (Type.MSCHAPV2, Type.GTC)]
    assert habits.ordered(inner, "a", "inner")[0].type == Type.GTC


def test_the_oldest_are_forgotten() -> None:
    habits = Habits(maximum=2)
    for station in ("a", "b", "c"):
        habits.learn(station, {"eap": Type.TLS}, GRANTED)
    assert order(habits, "a")[0] == Type.TTLS
    assert order(habits, "c")[0] == Type.TLS
