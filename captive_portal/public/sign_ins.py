"""A sign-in to this portal: begun by a proven login, carried by a signed text, ended at will.

The text is in the address of the pages, because a phone's sign-in sheet drops cookies; a
cookie is set as well for browsers that keep it. Ending is written to the audit trail, so
that it holds in every worker and after a restart.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from flask import g, redirect, request
from sqlalchemy import exists, select
from werkzeug.wrappers import Response

from captive_portal.public import steps
from captive_portal.public.site import page, portal, visit
from captive_portal.web.tokens import SIGN_IN_LIFETIME, SignIn
from db.models import Account, AuditEvent, Credential
from identity.domain.access import Granted
from identity.services import audit
from identity.services.login import Proof, snapshot

FIELD = "s"
COOKIE = "yuenyan_portal"
_ENDED = "portal:signed_out"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is signed in on this page."""

    sign_in: SignIn
    account: Account


def begin(
    granted: Granted, target: str = "", *, proof: Proof | None = None, **values: str
) -> Response:
    """Start a sign-in and send the browser on, to whatever comes next.

    Args:
        target: the endpoint of another page to go to, with `values`.
        proof: of the login by password, if that is how it was granted.
    """
    account_id = granted.account.account_id
    target = target or steps.next_page(account_id, proof)
    return begin_again(account_id, granted.method, target, **values)


def begin_again(account_id: int, method: str, target: str = "", **values: str) -> Response:
    """A fresh sign-in of somebody who has just proven who they are; the old ones do not count.

    Args:
        target: the endpoint of another page than the one that comes next.
        values: more fields of the address the browser is sent on to.
    """
    text = portal().signer.sign_in(
        SignIn(
            key=secrets.token_urlsafe(9),
            account_id=account_id,
            since=portal().office.clock(),
            method=method,
            nas=visit().nas,
            mac=visit().mac,
        )
    )
    target = target or steps.next_page(account_id)
    response = redirect(page(target, **{**values, FIELD: text}), 303)
    response.set_cookie(
        COOKIE,
        text,
        max_age=int(SIGN_IN_LIFETIME.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=portal().proxies.is_https(request),
    )
    return response


def sign_in_text() -> str:
    """The signed text of this request: from the address, else from the cookie."""
    return request.values.get(FIELD, "") or request.cookies.get(COOKIE, "")


def holder() -> Holder | None:
    """Who is signed in, or None. A changed password or a suspended account ends it."""
    if "holder" not in g:
        g.holder = _find_holder()
    found: Holder | None = g.holder
    return found


def _find_holder() -> Holder | None:
    office = portal().office
    sign_in = portal().signer.read_sign_in(sign_in_text())
    if sign_in is None:
        return None
    ended = exists().where(
        AuditEvent.at >= sign_in.since,
        AuditEvent.action == _ENDED,
        AuditEvent.target == f"sign-in {sign_in.key}",
    )
    query = (
        select(Account, Credential, ended)
        .outerjoin(Credential, Credential.account_id == Account.id)
        .where(Account.id == sign_in.account_id)
    )
    with office.database.read() as session:
        found = session.execute(query).one_or_none()
        if found is None:
            return None
        account, credential, is_ended = found
        if is_ended or snapshot(session, account).refusal(office.clock()) is not None:
            return None
        if credential is not None and credential.changed_at > sign_in.since:
            return None
    return Holder(sign_in, account)


def end(current: Holder) -> None:
    """End this sign-in everywhere it is carried."""
    office = portal().office
    with office.database.write() as session:
        audit.record(
            session,
            office.clock(),
            current.account.username,
            _ENDED,
            f"sign-in {current.sign_in.key}",
        )
