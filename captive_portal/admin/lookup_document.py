"""What the OpenAPI document says of look-ups; docs/lookup.md explains the answers."""

from __future__ import annotations

from typing import Any

from captive_portal.admin.permissions import ALLOWED, Permission

_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_TIME = {
    "type": "string",
    "description": "RFC 3339, or as Thai letters write it: 15 ม.ค. 2568 14.30 น.; both eras.",
}
_SECONDS = {"type": ["number", "null"], "minimum": 0}
SECURITY: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
"""By a token, or with the session of the portal; never both."""


def lookup_paths() -> dict[str, Any]:
    """The paths of captive_portal.admin.lookup_api."""
    question = {"required": True, "content": _json("Question")}
    return {
        "/api/session": {
            "get": _operation(
                "For whom this speaks; of a session also the form token for X-CSRFToken",
                "Session",
            ),
        },
        "/api/lookup": {
            "post": _operation(
                f"Who had an address or a device at a time, under pseudonyms."
                f" {_who(Permission.LOOK_UP)}",
                "Answer",
                requestBody=question,
            )
        },
        "/api/unlocks": {
            "post": _operation(
                f"Ask for the names of one question. {_who(Permission.REVEAL)}",
                "Unlocked",
                {
                    "202": {
                        "description": "A second officer has to agree.",
                        "content": _json("Unlocked"),
                    }
                },
                requestBody=question,
            )
        },
        "/api/unlocks/{id}": {
            "get": _operation("How a request stands", "Unlock", parameters=[_ID]),
        },
        "/api/unlocks/{id}/names": {
            "post": _operation(
                "The names of an approved request of one's own; each time is recorded",
                "Unlocked",
                parameters=[_ID],
            )
        },
    }


def lookup_schemas() -> dict[str, Any]:
    """The objects that those paths take and give."""
    candidate = _object(
        account=_MAYBE, full_name=_TEXT, user_name=_MAYBE, pseudonym=_MAYBE, session_id=_MAYBE,
        mac=_MAYBE, inside_address=_MAYBE, inside_port={"type": ["integer", "null"]}, nas=_MAYBE,
        evidence={"type": "array", "items": _TEXT}, **{"from": _MAYBE, "to": _MAYBE},
    )  # fmt: skip
    return {
        "Question": {
            **_object(
                kind={"type": "string", "enum": ["address", "mac", "person", "flows"]},
                address=_TEXT, port={"type": "integer", "minimum": 0, "maximum": 65535},
                protocol={"type": "string", "enum": ["tcp", "udp", "icmp"]},
                destination={"type": "string", "description": "IP, IP:PORT or [IPv6]:PORT"},
                mac=_TEXT, user=_TEXT, session=_TEXT, at=_TIME, tolerance_seconds=_SECONDS,
                case=_TEXT, reason=_TEXT, limit={"type": "integer"}, offset={"type": "integer"},
                **{"from": _TIME, "to": _TIME},
            ),
            "required": ["case", "reason"],
        },
        "Answer": _object(
            outcome={"type": "string", "enum": ["single", "ambiguous", "none", "gap"]},
            asked={"type": "object"},
            candidates={"type": "array", "items": candidate},
            nameless={"type": "array", "items": {"type": "object"}},
            gaps={"type": "array", "items": {"type": "object"}},
            interpretation=_object(thai=_TEXT, western=_TEXT, utc=_TEXT, note=_TEXT),
            tolerance=_object(
                found_from_seconds=_SECONDS, ambiguous_from_seconds=_SECONDS,
                looked_to_seconds=_SECONDS,
            ),
            sentences=_object(th=_TEXT, en=_TEXT),
            confidentiality=_TEXT,
            names={"type": "boolean"},
            withheld={"type": "integer", "minimum": 0},
            clock_error_ms={"type": "integer"},
            elapsed_ms={"type": "integer"},
        ),
        "Unlock": _object(
            id={"type": "integer"}, state=_TEXT, kind=_TEXT, question={"type": "object"},
            case=_TEXT, reason=_TEXT, asker=_TEXT, decided_by=_MAYBE, note=_MAYBE,
            expires_at=_MAYBE,
        ),
        "Unlocked": _object(id={"type": "integer"}, state=_TEXT, answer={"type": "object"}),
        "Session": _object(
            username=_TEXT, levels={"type": "array", "items": _TEXT}, csrf_token=_TEXT,
            token=_TEXT, names={"type": "boolean"},
        ),
        "Error": _object(error=_TEXT),
    }  # fmt: skip


_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}


def _who(permission: Permission) -> str:
    """Whose the operation is."""
    return f"For: {', '.join(sorted(ALLOWED[permission]))}."


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": _json(schema)}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _operation(
    summary: str, schema: str, responses: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    errors = {
        code: {"description": text, "content": _json("Error")}
        for code, text in (
            ("400", "A token and a cookie together, or a session's post without its form token."),
            ("401", "The token opens nothing."),
            ("403", "Not yours, or not approved."),
            ("404", "There is nobody and nothing of that name in reach."),
            ("422", "The question makes no sense; `error` says why."),
            ("429", "Too many requests; Retry-After says how long to wait."),
        )
    }
    good = {"200": {"description": "Done.", "content": _json(schema)}}
    signed_out = {"302": {"description": "Nobody is signed in: to the sign-in page."}}
    return {
        "summary": summary,
        "security": SECURITY,
        "responses": {**good, **(responses or {}), **signed_out, **errors},
        **more,
    }
