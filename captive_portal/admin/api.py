"""The little API there is, and the OpenAPI document that says exactly that."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from captive_portal.admin.dashboard import read_archive, read_overview
from captive_portal.admin.desk import office, officer
from captive_portal.admin.lookup_document import SECURITY, lookup_paths, lookup_schemas
from captive_portal.admin.permissions import Permission, public, requires
from common.clock import to_rfc3339
from common.errors import BackendUnavailable

blueprint = Blueprint("api", __name__)


@blueprint.get("/healthz")
@blueprint.get("/api/health")
@public
def health() -> ResponseReturnValue:
    """Whether this process can reach its database; 503 when not."""
    try:
        with office().database.read() as session:
            session.execute(text("SELECT number FROM revision"))
    except BackendUnavailable:
        return jsonify(status="database unavailable"), 503
    return jsonify(status="ok")


@blueprint.get("/api/status")
@requires(Permission.OVERVIEW)
def status() -> ResponseReturnValue:
    """The numbers of the first page."""
    with office().database.read() as session:
        overview = read_overview(session, office().clock(), officer().reach)
    archive = read_archive()
    zone = office().config.site.timezone
    return jsonify(
        pending_registrations=overview.pending,
        open_sessions=overview.open_sessions,
        logins_accepted_24h=overview.accepted,
        logins_refused_24h=overview.refused,
        nas=overview.nas,
        nas_not_seen_24h=overview.nas_silent,
        unknown_nas_7d=overview.unknown_nas,
        gaps_7d=len(overview.gaps),
        archive={
            "readable": archive.readable,
            "records": archive.records,
            "octets": archive.octets,
            "segments": archive.segments,
            "newest": to_rfc3339(archive.newest, zone) if archive.newest else None,
            "sealed_to": to_rfc3339(archive.sealed_to, zone) if archive.sealed_to else None,
        },
    )


@blueprint.get("/api/openapi.json")
@public
def openapi() -> ResponseReturnValue:
    """The description of this API."""
    return jsonify(document(office().config.site.name, current_app.config["SESSION_COOKIE_NAME"]))


def document(site: str, cookie: str) -> dict[str, Any]:
    """OpenAPI 3.1 of what exists here and no more."""
    count = {"type": "integer", "minimum": 0}
    moment = {"type": ["string", "null"], "format": "date-time"}
    answer = {"type": "object", "properties": {"status": {"type": "string"}}}
    archive = {
        "type": "object",
        "properties": {
            "readable": {"type": "boolean"},
            "records": count,
            "octets": count,
            "segments": count,
            "newest": moment,
            "sealed_to": moment,
        },
    }
    numbers = {
        "type": "object",
        "properties": {
            **dict.fromkeys(
                (
                    "pending_registrations",
                    "open_sessions",
                    "logins_accepted_24h",
                    "logins_refused_24h",
                    "nas",
                    "nas_not_seen_24h",
                    "unknown_nas_7d",
                    "gaps_7d",
                ),
                count,
            ),
            "archive": archive,
        },
    }

    def operation(summary: str, answers: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"get": {"summary": summary, "responses": answers, **more}}

    def body(description: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"description": description, "content": {"application/json": {"schema": schema}}}

    alive = {"200": body("It can.", answer), "503": body("It cannot.", answer)}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{site}: Yuenyan admin API", "version": version("yuenyan")},
        "paths": {
            "/api/health": operation("Whether the admin portal reaches its database", alive),
            "/healthz": operation("The same, for load balancers", alive),
            "/api/status": operation(
                "The numbers of the first page",
                {
                    "200": body("The numbers now.", numbers),
                    "302": {"description": "Nobody is signed in: to the sign-in page."},
                    "401": {"description": "The token opens nothing."},
                },
                security=SECURITY,
            ),
            **lookup_paths(),
        },
        "components": {
            "schemas": lookup_schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "yuenyan token create, or the page API tokens",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
            },
        },
    }
