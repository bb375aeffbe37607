"""The certificates of a new site, and the records of one that is older than the records.

Safe to repeat: what is there stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from common.errors import NetAccessError
from identity.office import Office
from identity.pki.authority import Kind, issuer_key_id, key_id, make_authority, serial_text, title
from identity.pki.folder import CRL, SERVER, CaFolder, read_certificates
from identity.services import certificates
from identity.services.revocation_lists import write_crls


def set_up(office: Office, actor: str) -> tuple[str, ...]:
    """Make what is missing of CA, server certificate and revocation lists; what was made.

    A site whose CA key was taken away, or whose certificates come from elsewhere, keeps it so.
    """
    config = office.config
    folder = CaFolder(config.ca_dir)
    made = []
    if not folder.exists() and not (folder.path / SERVER).exists():
        with folder.locked():
            folder.write_first(make_authority(config.site.name, office.clock()))
        made.append("lab certificate authority")
    if not folder.exists():
        return ()
    adopt(office, actor)
    if config.eap_certificate == folder.path / SERVER and not config.eap_certificate.exists():
        certificates.issue_server(office, actor)
        made.append("server certificate")
    if not (folder.path / CRL).exists():
        write_crls(office)
    return tuple(made)


def adopt(office: Office, actor: str) -> int:
    """Enter the CAs and server certificates that lie in the folder; how many were new."""
    found = list(_found(office))
    with office.database.read() as session:
        new = [
            (kind, one)
            for kind, one in found
            if certificates.find_by_serial(session, serial_text(one)) is None
        ]
    if new:
        with office.database.write() as session:
            for kind, one in new:
                certificates.enter(session, office.clock(), actor, kind, title(one), one)
    return len(new)


def _found(office: Office) -> Iterator[tuple[Kind, x509.Certificate]]:
    config = office.config
    folder = CaFolder(config.ca_dir)
    every = (folder.active(), folder.successor(), *folder.predecessors())
    ours = [one.certificate for one in every if one is not None]
    yield from ((Kind.CA, one) for one in ours)
    authorities = {key_id(one) for one in ours}
    for path in {config.eap_certificate, config.radsec_certificate}:
        try:
            leaf = read_certificates(path)[0]
        except NetAccessError:
            continue  # it is missing or broken, which doctor tells
        if issuer_key_id(leaf) in authorities:
            yield Kind.SERVER, leaf
