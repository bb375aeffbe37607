"""From one CA to the next without breaking clients: begin, let devices learn it, finish.

In between devices are given both CAs, client certificates come from the new one, both kinds are
accepted, and the server goes on presenting its certificate of the old one.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.errors import Refused
from identity.office import Office
from identity.pki.authority import SERVER_DAYS, Kind, issuer_key_id, make_authority, title
from identity.pki.folder import CaFolder, read_certificates
from identity.services import audit, certificates
from identity.services.certificates import Issued, Purpose
from identity.services.revocation_lists import write_crls


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The CA to come. `crossed`: the present one has certified it for devices that stay behind."""

    name: str
    crossed: bool


def begin(office: Office, actor: str, *, rsa_key: bool = False) -> Begun:
    """Make the CA to come.

    Raises:
        Refused: a rollover is under way already.
        NotFound: this site has no CA.
    """
    folder = CaFolder(office.config.ca_dir)
    now = office.clock()
    with folder.locked():
        present = folder.active()
        if folder.successor() is not None:
            raise Refused(
                "a rollover is under way; when devices know the new CA: "
                "yuenyan cert rollover --finish"
            )
        successor = make_authority(office.config.site.name, now, rsa_key=rsa_key)
        cross = present.cross_sign(successor.certificate, now)
        name = title(successor.certificate)
        with office.database.write() as session:
            certificates.enter(session, now, actor, Kind.CA, name, successor.certificate)
            audit.record(
                session,
                now,
                actor,
                "certificate:rollover_begun",
                name,
                present=title(present.certificate),
            )
        folder.write_successor(successor, cross)
    write_crls(office)
    return Begun(name=name, crossed=cross is not None)


def finish(
    office: Office, actor: str, *, days: int = SERVER_DAYS, rsa_key: bool = False
) -> list[Issued]:
    """Let the server present a certificate of the CA to come, and make that the present one.

    Certificates from elsewhere stay; the new ones of [eap] and [radsec] are returned. May be
    repeated when it was cut short.

    Raises:
        Refused: no rollover is under way.
    """
    folder = CaFolder(office.config.ca_dir)
    successor = folder.successor()
    if successor is None:
        raise Refused("no rollover is under way; begin one: yuenyan cert rollover")
    issued = [
        certificates.issue_server(
            office, actor, days=days, rsa_key=rsa_key, purpose=purpose, authority=successor
        )
        for purpose in _own_listeners(office, folder)
    ]
    now = office.clock()
    with folder.locked():
        folder.promote()
        with office.database.write() as session:
            audit.record(
                session,
                now,
                actor,
                "certificate:rollover_finished",
                title(successor.certificate),
            )
    write_crls(office)
    return issued


def _own_listeners(office: Office, folder: CaFolder) -> list[Purpose]:
    """The listeners whose certificates come from here, each file once."""
    ours = {one.key_id for one in (folder.active(), folder.issuer(), *folder.predecessors())}
    found: dict[object, Purpose] = {}
    for purpose in Purpose:
        path, _ = certificates.server_files(office.config, purpose)
        if path in found:
            continue
        if not path.exists() or issuer_key_id(read_certificates(path)[0]) in ours:
            found[path] = purpose
    return list(found.values())
