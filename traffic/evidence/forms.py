"""The custody form of an exhibit as the register has it, ready to be printed."""

from __future__ import annotations

from sqlalchemy.orm import Session

from common.config import Config
from db.models import Exhibit
from traffic.evidence import custody
from traffic.evidence.letters import Facts, Passing, custody_form
from traffic.evidence.papers import paper_items

FORM_TITLE = "แบบบันทึกการส่งต่อพยานหลักฐาน"


def form_of(session: Session, config: Config, exhibit_id: int) -> dict[str, bytes] | None:
    """The form by suffix (.txt, .html and, where this machine can, .pdf); None: no such exhibit."""
    exhibit = session.get(Exhibit, exhibit_id)
    if exhibit is None:
        return None
    facts = Facts(
        office=config.office.name or config.site.name,
        letterhead=config.office,
        zone=config.site.timezone,
        created_at=exhibit.created_at,
        case=exhibit.case_reference,
        reason=exhibit.reason,
        request=exhibit.request,
        recipient="",
        reference="",
        from_at=exhibit.from_at,
        to_at=exhibit.to_at,
        subjects=(),
        file_name=exhibit.file_name,
        counts=(),
        gaps=0,
        made_by=exhibit.created_by,
        fingerprint=exhibit.key_fingerprint,
    )
    passings = [
        Passing(
            at=row.at,
            step=row.step,
            person=row.person,
            officer_id=row.officer_id,
            document=row.document,
            place=row.place,
            # The first step's note is the bundle's SHA-256, which stands above the table.
            note="" if row.step == custody.Step.CREATED else row.note,
            hash=row.hash,
        )
        for row in custody.steps_of(session, exhibit_id)
    ]
    blocks = custody_form(facts, passings, exhibit=str(exhibit.id), sha256=exhibit.sha256)
    items = paper_items("form", blocks, FORM_TITLE, wide=True)
    return {name.removeprefix("form"): octets for name, octets in items.items()}
