"""What an officer does to a sheet or to one voucher of it: extend, revoke, release, hand over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import read_last_day
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.voucher_sheets import blueprint, own_sheet
from captive_portal.admin.words import explain
from common.errors import BackendUnavailable, NetAccessError
from db.models import Voucher
from identity.services import voucher_changes
from identity.services.voucher_changes import Extension


@blueprint.post("/<int:batch_id>/revoke")
@requires(Permission.ISSUE_VOUCHERS)
def revoke(batch_id: int) -> ResponseReturnValue:
    """Revoke every code of a sheet, or one, and suspend the guests who came in by it."""
    voucher_id = _voucher_id()
    if request.form.get("sure") != "yes":
        flash(gettext("Tick the box to confirm first."), "error")
        return _back(batch_id, voucher_id)

    def act(session: Session, rows: Sequence[Voucher], target: str) -> str:
        count = voucher_changes.revoke(session, office(), rows, officer().username, target)
        return str(gettext("%(count)s vouchers are revoked.", count=count))

    return _act(batch_id, voucher_id, act)


@blueprint.post("/<int:batch_id>/extend")
@requires(Permission.ISSUE_VOUCHERS)
def extend(batch_id: int) -> ResponseReturnValue:
    """Give a sheet, or one voucher, more time or data."""
    voucher_id = _voucher_id()

    def act(session: Session, rows: Sequence[Voucher], target: str) -> str:
        end = request.form.get("end", "").strip()
        extension = Extension(
            minutes=_number("minutes"),
            megabytes=_number("megabytes"),
            until=read_last_day(office(), end) if end else None,
        )
        actor = officer().username
        if voucher_id is None:
            count = voucher_changes.extend_batch(session, office(), batch_id, extension, actor)
        else:
            count = voucher_changes.extend(session, office(), rows, extension, actor, target)
        return str(gettext("%(count)s vouchers are extended.", count=count))

    return _act(batch_id, voucher_id, act)


@blueprint.post("/<int:batch_id>/receiver")
@requires(Permission.ISSUE_VOUCHERS)
def hand_over(batch_id: int) -> ResponseReturnValue:
    """Note who was handed the sheet."""

    def act(session: Session, _rows: Sequence[Voucher], _target: str) -> str:
        voucher_changes.note_receiver(
            session, office(), batch_id, request.form.get("receiver", ""), officer().username
        )
        return str(gettext("It is on record who has the sheet."))

    return _act(batch_id, None, act)


@blueprint.post("/<int:batch_id>/release")
@requires(Permission.ISSUE_VOUCHERS)
def release(batch_id: int) -> ResponseReturnValue:
    """Take a device off a voucher."""
    voucher_id = _voucher_id()
    if voucher_id is None:
        abort(400)

    def act(session: Session, rows: Sequence[Voucher], _target: str) -> str:
        mac = request.form.get("mac", "")[:17]
        voucher_changes.release_device(session, office(), rows[0], mac, officer().username)
        return str(gettext("The device is off the voucher; another can use it now."))

    return _act(batch_id, voucher_id, act)


@blueprint.post("/<int:batch_id>/delete-expired")
@requires(Permission.ISSUE_VOUCHERS)
def delete_expired(batch_id: int) -> ResponseReturnValue:
    """Delete the codes of a sheet that are over and stand for nobody any more."""
    with office().database.write() as session:
        if own_sheet(session, batch_id) is None:
            return _back(batch_id, None)
        count = voucher_changes.delete_expired(session, office(), officer().username, batch_id)
    flash(gettext("%(count)s expired vouchers are deleted.", count=count), "done")
    return redirect(url_for("vouchers.listing"))


def _act(
    batch_id: int,
    voucher_id: int | None,
    act: Callable[[Session, Sequence[Voucher], str], str],
) -> Response:
    """Do it to the sheet, or to the one voucher, and say what came of it."""
    try:
        with office().database.write() as session:
            if own_sheet(session, batch_id) is None:
                return _back(batch_id, voucher_id)
            target = f"batch {batch_id}"
            rows = voucher_changes.of_batch(session, batch_id)
            if voucher_id is not None:
                rows = [row for row in rows if row.id == voucher_id]
                target = f"voucher {voucher_id}"
                if not rows:
                    abort(404)
            done = act(session, rows, target)
        flash(done, "done")
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        flash(explain(refusal), "error")
    return _back(batch_id, voucher_id)


def _back(batch_id: int, voucher_id: int | None) -> Response:
    if voucher_id is None:
        return redirect(url_for("vouchers.show", batch_id=batch_id))
    return redirect(url_for("vouchers.show_one", batch_id=batch_id, voucher_id=voucher_id))


def _voucher_id() -> int | None:
    """The one voucher that is meant; None: the whole sheet."""
    text = request.form.get("voucher", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _number(name: str) -> int:
    text = request.form.get(name, "").strip()
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
