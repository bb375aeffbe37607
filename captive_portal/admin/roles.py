"""Roles and what they grant: the list, one role, a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.validators import Optional

from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import Form, at_most, between, needed, offer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import RECOVERABLE, explain
from common.errors import BackendUnavailable, NetAccessError, Refused
from db.models import Account, Role
from identity.domain.recoverable import Recoverable
from identity.services import recoverable, role_changes
from identity.services import roles as services

blueprint = Blueprint("roles", __name__, url_prefix="/roles")
_ = lazy_gettext

NUMBERS = tuple(services.LIMITS)
TEXTS = services.TEXTS


def _number(label: Any, field: str) -> IntegerField:
    return IntegerField(label, [Optional(), between(*services.LIMITS[field])])


class RoleForm(Form):
    """What a role grants; an empty field is no limit."""

    name = StringField(_("Name"), [needed(), at_most(60)])
    for_guests = BooleanField(_("For guests: an approval makes a guest with a sponsor"))
    vlan = _number(_("VLAN"), "vlan")
    egress_vlans = StringField(_("More VLANs, for trunk ports"), [Optional(), at_most(200)])
    down_kbps = _number(_("Download, kbit/s"), "down_kbps")
    up_kbps = _number(_("Upload, kbit/s"), "up_kbps")
    session_seconds = _number(_("Longest connection, seconds"), "session_seconds")
    idle_seconds = _number(_("Idle time until the end, seconds"), "idle_seconds")
    simultaneous = _number(_("Devices at the same time"), "simultaneous")
    quota_mb_day = _number(_("MB a day"), "quota_mb_day")
    quota_mb_week = _number(_("MB a week"), "quota_mb_week")
    quota_mb_month = _number(_("MB a month"), "quota_mb_month")
    quota_minutes_day = _number(_("Minutes a day"), "quota_minutes_day")
    quota_minutes_week = _number(_("Minutes a week"), "quota_minutes_week")
    quota_minutes_month = _number(_("Minutes a month"), "quota_minutes_month")
    own_devices = IntegerField(
        _("Devices without a login that each person may register alone"),
        [Optional(), between(0, services.MOST_OWN_DEVICES)],
    )
    guardian_consent = BooleanField(_("Let its people in only with the consent of a guardian"))
    hours = StringField(_("Hours"), [Optional(), at_most(500)])
    filter_id = StringField(_("Filter (Filter-Id)"), [Optional(), at_most(200)])
    vendor_role = StringField(_("Role or group on the equipment"), [Optional(), at_most(200)])
    recoverable = SelectField(_("Keep of its passwords"))
    live = SelectField(_("Connections that are open now"))


@blueprint.get("/")
@requires(Permission.VIEW_ROLES)
def listing() -> ResponseReturnValue:
    """Every role with its most important limits and how many accounts have it."""
    with office().database.read() as session:
        counted = {
            number: count
            for number, count in session.execute(
                select(Account.role_id, func.count())
                .where(officer().reach.accounts())
                .group_by(Account.role_id)
            )
        }
        rows = session.scalars(select(Role).order_by(Role.name)).all()
        return render_template("roles.html", rows=rows, counted=counted)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.CHANGE_ROLES)
def add() -> ResponseReturnValue:
    """Make a role."""
    form = RoleForm(request.form)
    _offer_choices(form)
    if request.method == "GET":
        form.live.data, form.recoverable.data = "nothing", Recoverable.NONE.value
        return render_template("role.html", form=form, error=None, role=None)
    return _store(form, None)


@blueprint.route("/<int:role_id>", methods=["GET", "POST"])
@requires(Permission.CHANGE_ROLES)
def change(role_id: int) -> ResponseReturnValue:
    """Change what a role grants; live connections follow as chosen."""
    with office().database.read() as session:
        role = session.get(Role, role_id)
    if role is None:
        abort(404)
    form = RoleForm(request.form) if request.method == "POST" else RoleForm(obj=role)
    _offer_choices(form)
    form.name.data = role.name  # accounts, vouchers and configuration know it by this
    if request.method == "GET":
        form.live.data = office().config.radius.role_changes
        return render_template("role.html", form=form, error=None, role=role)
    return _store(form, role)


def _offer_choices(form: RoleForm) -> None:
    form.recoverable.choices = offer(RECOVERABLE.items())
    form.live.choices = offer(
        [
            ("change", gettext("tell them where the equipment can change them; others go on")),
            ("disconnect", gettext("tell them where it can; end the others")),
            ("nothing", gettext("let all go on as before until the next login")),
        ]
    )


def _store(form: RoleForm, role: Role | None) -> ResponseReturnValue:
    error: str | None = gettext("Please correct the marked fields.")
    name = (form.name.data or "").strip()
    if form.validate():
        try:
            with office().database.write() as session:
                if role is None and session.scalar(select(Role.id).where(Role.name == name)):
                    raise Refused(f"there is already a role {name!r}")
                followed = _write(session, form, name)
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = explain(refusal)
        else:
            flash(gettext("The role %(name)s is stored.", name=name), "done")
            _tell(followed)
            return redirect(url_for("roles.listing"))
    return render_template("role.html", form=form, error=error, role=role), 422


def _write(session: Session, form: RoleForm, name: str) -> role_changes.Followed:
    who = officer().username
    given: Mapping[str, Any] = form.data
    limits: dict[str, int | str | None] = {field: given[field] for field in NUMBERS}
    limits |= {field: (given[field] or "").strip() or None for field in TEXTS}
    followed = role_changes.set_role(session, office(), name, limits, who, given["live"])
    session.flush()
    stored = services.get(session, name)
    if stored.for_guests != given["for_guests"]:
        services.set_for_guests(session, office(), name, given["for_guests"], who)
    hours = (given["hours"] or "").strip() or None
    if stored.hours != hours:
        services.set_hours(session, office(), name, hours, who)
    services.set_own_devices(session, office(), name, given["own_devices"] or 0, who)
    services.set_guardian_consent(session, office(), name, given["guardian_consent"], who)
    kind = Recoverable(given["recoverable"])
    recoverable.choose_for_role(session, office(), name, kind, who)
    return followed


def _tell(followed: role_changes.Followed) -> None:
    if followed.changing:
        text = gettext("Connections told of the change: %(count)s.", count=followed.changing)
        flash(text, "done")
    if followed.ending:
        flash(gettext("Connections being ended: %(count)s.", count=followed.ending), "done")
    if followed.waiting:
        text = gettext(
            "Connections that go on as before until their next login: %(count)s.",
            count=followed.waiting,
        )
        flash(text, "done")
