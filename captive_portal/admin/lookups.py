"""Who used this address or device, what a person had, what passed: forms and answers.

The look-up itself, its record and its rules are traffic.lookup's. Answers come under
pseudonyms; the names are unlocked in `unlocks`.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import FloatField, IntegerField, SelectField, StringField
from wtforms.validators import Optional

from captive_portal.admin.answers import ask as ask_hidden
from captive_portal.admin.answers import readable
from captive_portal.admin.away_words import records_away
from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import Form, at_most, between, needed, offer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from common.errors import BackendUnavailable, NetAccessError
from traffic.lookup.asking import NAMED, Kind, read_asked
from traffic.lookup.question import MAX_TOLERANCE_SECONDS

blueprint = Blueprint("lookups", __name__, url_prefix="/lookup")

_ = lazy_gettext


class _Purpose(Form):
    case = StringField(_("Case number"), [needed(), at_most(200)])
    reason = StringField(_("Reason"), [needed(), at_most(500)])


class AddressForm(_Purpose):
    """What a lawful request asks."""

    address = StringField(_("Address"), [needed(), at_most(60)])
    port = IntegerField(_("Port"), [Optional(), between(0, 65535)])
    protocol = SelectField(
        _("Protocol"),
        choices=offer(
            [("", _("(not known)")), *((name, name.upper()) for name in ("tcp", "udp", "icmp"))]
        ),
    )
    destination = StringField(_("Destination"), [Optional(), at_most(70)])
    at = StringField(_("Date and time"), [needed(), at_most(100)])
    tolerance_seconds = FloatField(
        _("Give or take, seconds"), [Optional(), between(0, MAX_TOLERANCE_SECONDS)]
    )


class StationForm(_Purpose):
    """A device by its MAC address."""

    mac = StringField(_("MAC address"), [needed(), at_most(40)])
    at = StringField(_("Date and time"), [needed(), at_most(100)])
    tolerance_seconds = FloatField(
        _("Give or take, seconds"), [Optional(), between(0, MAX_TOLERANCE_SECONDS)]
    )


class PersonForm(_Purpose):
    """Somebody by user name, and a period."""

    user = StringField(_("User name"), [needed(), at_most(253)])
    begins = StringField(_("From"), [needed(), at_most(100)])
    ends = StringField(_("To"), [needed(), at_most(100)])


class FlowsForm(_Purpose):
    """Traffic of a connection, a person or an address."""

    session = StringField(_("Connection"), [Optional(), at_most(64)])
    user = StringField(_("User name"), [Optional(), at_most(253)])
    address = StringField(_("Address"), [Optional(), at_most(60)])
    begins = StringField(_("From"), [Optional(), at_most(100)])
    ends = StringField(_("To"), [Optional(), at_most(100)])


FORMS: dict[Kind, type[_Purpose]] = {
    Kind.ADDRESS: AddressForm,
    Kind.MAC: StationForm,
    Kind.PERSON: PersonForm,
    Kind.FLOWS: FlowsForm,
}


@blueprint.route("/", methods=["GET", "POST"])
@requires(Permission.LOOK_UP)
def ask() -> ResponseReturnValue:
    """The form of one kind; with POST also the answer, under pseudonyms and on record."""
    kind = read_kind(request.values.get("kind", Kind.ADDRESS.value))
    if request.method == "GET":
        return page(kind, FORMS[kind](request.args))
    if kind in NAMED:
        # Who is asked about is known: there is nothing to show before it is unlocked.
        abort(400)
    form = FORMS[kind](request.form)
    if not form.validate():
        return page(kind, form, error=gettext("Please correct the marked fields.")), 422
    try:
        asked = read_asked(kind, tree_of(form), office().config.site.timezone, office().database)
        answer = ask_hidden(asked)
    except BackendUnavailable as error:
        told = records_away(error)
        if told is None:
            raise
        return page(kind, form, error=str(told)), 503
    except NetAccessError as refusal:
        return page(kind, form, error=explain(refusal)), 422
    return page(kind, form, answer=answer, tree=asked.tree)


def read_kind(text: str) -> Kind:
    """The kind called `text`; 404 when there is none, or not for this officer."""
    if text not in set(Kind):
        abort(404)
    return Kind(text)


def kinds_offered() -> list[Kind]:
    """What the officer may ask about: named people only with leave to see names."""
    may_reveal = officer().may(Permission.REVEAL)
    return [kind for kind in Kind if may_reveal or kind not in NAMED]


def tree_of(form: _Purpose) -> dict[str, Any]:
    """What was filled in, under the names of traffic.lookup.asking."""
    tree = {key: value or None for key, value in form.data.items()}
    if "port" in form.data:
        tree["port"] = form.data["port"]
    for name, field in (("from", "begins"), ("to", "ends")):
        if field in tree:
            tree[name] = tree.pop(field)
    return tree


def page(
    kind: Kind,
    form: _Purpose,
    *,
    error: str | None = None,
    answer: dict[str, Any] | None = None,
    tree: Any = None,
    request_id: int | None = None,
) -> str:
    """The page of one kind of question, with its answer if there is one."""
    return render_template(
        "lookup.html",
        kind=kind,
        kinds=kinds_offered(),
        form=form,
        error=error,
        answer=None if answer is None else readable(answer),
        tree=tree,
        request_id=request_id,
        second_person=office().config.lookup.second_person,
        confidentiality=office().config.lookup.confidentiality,
    )
