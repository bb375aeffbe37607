"""Vouchers on paper and as a file: pages a browser prints, PDF, CSV. Each is put on record."""

from __future__ import annotations

import csv
import io

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from captive_portal.admin.desk import office, officer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.voucher_sheets import blueprint, own_sheet, portal_url
from captive_portal.admin.words import explain
from captive_portal.slips.layouts import LAYOUTS
from captive_portal.slips.pdf import slips_pdf
from captive_portal.slips.rendering import sheets_html, style_sheet
from captive_portal.slips.sheets import parts_of
from common.clock import to_rfc3339
from common.errors import Refused
from identity.services import audit, vouchers

_CARDS_AT_ONCE = 240
"""A browser lays out 240 QR codes quickly and 2000 slowly; a PDF has them all."""


@blueprint.get("/slips-<layout>.css")
@requires(Permission.VIEW_VOUCHERS)
def style(layout: str) -> ResponseReturnValue:
    """Where everything stands on a slip; the policy of the pages allows no style in them."""
    answer = make_response(style_sheet(LAYOUTS.get(layout, LAYOUTS["24"])))
    answer.mimetype = "text/css"
    return answer


@blueprint.get("/<int:batch_id>/print")
@requires(Permission.ISSUE_VOUCHERS)
def print_sheet(batch_id: int) -> ResponseReturnValue:
    """Unused codes of a sheet as cards for the browser to print."""
    layout = LAYOUTS.get(request.args.get("layout", "24"), LAYOUTS["24"])
    part = request.args.get("part", 1, type=int)
    portal, is_guess = portal_url()
    with office().database.write() as session:
        batch = own_sheet(session, batch_id)
        if batch is None:
            return redirect(url_for("vouchers.show", batch_id=batch_id))
        codes = vouchers.codes_of(session, office(), batch_id, only_unused=True)
        size = max(1, _CARDS_AT_ONCE // layout.on_page) * layout.on_page
        parts = max(1, -(-len(codes) // size))
        part = min(max(part, 1), parts)
        shown = codes[(part - 1) * size : part * size]
        audit.record(
            session,
            office().clock(),
            officer().username,
            "voucher:printed",
            f"batch {batch_id}",
            count=len(shown),
        )
        slips = parts_of(office().config, batch, portal, shown)
    return render_template(
        "voucher_print.html",
        batch=batch,
        pages=[page for sheet, own in slips for page in sheets_html(sheet, layout, own)],
        is_empty=not shown,
        layout=layout.name,
        is_roll=layout.on_page == 1,
        part=part,
        parts=parts,
        portal=portal,
        is_guess=is_guess,
    )


@blueprint.get("/<int:batch_id>/slips.pdf")
@requires(Permission.ISSUE_VOUCHERS)
def print_pdf(batch_id: int) -> ResponseReturnValue:
    """Unused codes of a sheet as one PDF."""
    layout = LAYOUTS.get(request.args.get("layout", "24"), LAYOUTS["24"])
    here = redirect(url_for("vouchers.show", batch_id=batch_id))
    with office().database.write() as session:
        batch = own_sheet(session, batch_id)
        if batch is None:
            return here
        rows = vouchers.codes_of(session, office(), batch_id, only_unused=True)
        if not rows:
            flash(gettext("No unused voucher is left on this sheet."), "error")
            return here
        audit.record(
            session,
            office().clock(),
            officer().username,
            "voucher:printed",
            f"batch {batch_id}",
            count=len(rows),
        )
        slips = parts_of(office().config, batch, portal_url()[0], rows)
    try:
        written = slips_pdf(slips, layout)
    except Refused as refusal:
        flash(explain(refusal), "error")
        return here
    return _file(written, "application/pdf", f"vouchers-{batch_id}-{layout.name}.pdf")


@blueprint.get("/<int:batch_id>/codes.csv")
@requires(Permission.ISSUE_VOUCHERS)
def export(batch_id: int) -> ResponseReturnValue:
    """Every code of a sheet and how it stands."""
    zone = office().config.site.timezone
    with office().database.write() as session:
        if own_sheet(session, batch_id) is None:
            return redirect(url_for("vouchers.show", batch_id=batch_id))
        rows = vouchers.codes_of(session, office(), batch_id)
        audit.record(
            session,
            office().clock(),
            officer().username,
            "voucher:exported",
            f"batch {batch_id}",
            count=len(rows),
        )
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("voucher", "code", "state", "first_used_at", "expires_at"))
    for row in rows:
        moments = (row.first_used_at, row.expires_at)
        writer.writerow(
            (
                row.voucher_id,
                row.code,
                row.state,
                *("" if one is None else to_rfc3339(one, zone) for one in moments),
            )
        )
    # With a mark of its encoding, without which spreadsheets read Thai as something else.
    return _file(
        text.getvalue().encode("utf-8-sig"), "text/csv; charset=utf-8", f"vouchers-{batch_id}.csv"
    )


def _file(octets: bytes, kind: str, name: str) -> Response:
    answer = make_response(octets)
    answer.headers["Content-Type"] = kind
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
