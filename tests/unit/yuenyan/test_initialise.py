"""What `yuenyan init` leaves on record."""

from __future__ import annotations

import json
import os
import pwd

from sqlalchemy import select

from db.models import AuditEvent
from identity.office import Office


def test_what_init_has_made_names_whose_account_it_ran_as(office: Office) -> None:
    with office.database.read() as session:
        events = session.scalars(select(AuditEvent)).all()
    made = {event.action: (event.actor, json.loads(event.detail)["os_user"]) for event in events}
    assert set(made.values()) == {("command-line", pwd.getpwuid(os.getuid()).pw_name)}, made
    assert {"account:added", "certificate:issued"} <= set(made), made
