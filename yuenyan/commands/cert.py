"""`yuenyan cert`: certificates of the site's own CA for the server, accounts and NAS."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from common.errors import NotFound, Refused, UsageError
from common.secret import write_secret_file
from db.models import Certificate
from identity.pki.authority import (
    CLIENT_DAYS,
    MAXIMUM_CLIENT_DAYS,
    MAXIMUM_SERVER_DAYS,
    SERVER_DAYS,
    Kind,
    Reason,
    dump_chain,
    dump_key,
    title,
)
from identity.pki.folder import CaFolder, replace_file
from identity.pki.pkcs12 import Cipher, check_password, dump_pkcs12, make_password
from identity.services import certificates, nas, revocation_lists, rollover
from identity.services.certificates import Issued, Purpose
from yuenyan.commands.options import secret_from_stdin
from yuenyan.commands.tables import moment, print_json, print_table
from yuenyan.context import Context

_RSA = click.option("--rsa", is_flag=True, help="An RSA key of 2048 bits instead of ECDSA P-256.")


def _days(default: int, maximum: int) -> Callable[[Any], Any]:
    return click.option(
        "--days", default=default, show_default=True, metavar="N", help=f"At most {maximum}."
    )


@click.group("cert")
def cert_command() -> None:
    """Certificates of the site's own CA: for this server, for accounts, for RadSec.

    The CA and the server's files are in DATA_DIR/ca; see docs/certificates.md.
    """


@cert_command.command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Of one kind.")
@click.option("--name", metavar="NAME", help="Of one account, NAS or server.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def cert_list(context: Context, kind: str | None, name: str | None, as_json: bool) -> None:
    """Every certificate that was issued here, the newest first."""
    with context.database.read() as session:
        rows = certificates.list_certificates(session, kind=Kind(kind) if kind else None, name=name)
    now = context.office.clock()
    if as_json:
        zone = context.config.site.timezone
        print_json([_described(row, now, zone) for row in rows])
        return
    print_table(
        ("serial", "kind", "name", "state", "ends"),
        (
            (row.serial, row.kind, row.name, _state(row, now), f"{row.not_after:%Y-%m-%d}")
            for row in rows
        ),
    )


@cert_command.command("server")
@click.option(
    "--name", "dns_names", multiple=True, metavar="DNS",
    help="A DNS name of this server; without any, those it has.",
)  # fmt: skip
@click.option(
    "--for", "purpose", type=click.Choice([purpose.value for purpose in Purpose]),
    default=Purpose.EAP.value, show_default=True,
    help="The files of [eap], or those of [radsec] where it has its own.",
)  # fmt: skip
@_days(SERVER_DAYS, MAXIMUM_SERVER_DAYS)
@_RSA
@click.pass_obj
def cert_server(
    context: Context, dns_names: tuple[str, ...], purpose: str, days: int, rsa: bool
) -> None:
    """Issue or renew the server's certificate; a running server takes it up by itself."""
    issued = certificates.issue_server(
        context.office,
        context.actor,
        dns_names=dns_names,
        days=days,
        rsa_key=rsa,
        purpose=Purpose(purpose),
    )
    path, _ = certificates.server_files(context.config, Purpose(purpose))
    click.echo(f"wrote {path} for {issued.name}, until {issued.ends_at:%Y-%m-%d}")


@cert_command.command("client")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="NAME.p12 otherwise.")
@click.option("--password-stdin", is_flag=True, help="Read the file's password, one line.")
@click.option(
    "--cipher", type=click.Choice([cipher.value for cipher in Cipher]),
    default=Cipher.COMPATIBLE.value, show_default=True,
    help="compatible: 3DES, which every device reads; modern: AES-256.",
)  # fmt: skip
@_days(CLIENT_DAYS, MAXIMUM_CLIENT_DAYS)
@_RSA
@click.pass_obj
def cert_client(
    context: Context,
    name: str,
    out: Path | None,
    password_stdin: bool,
    cipher: str,
    days: int,
    rsa: bool,
) -> None:
    """Issue a certificate to an account, as a PKCS#12 file for a phone or computer.

    Without --password-stdin a password is made up and printed, once.
    """
    path = _new_file(out or Path(f"{name.replace(os.sep, '_')}.p12"))
    password = secret_from_stdin("password of the file") if password_stdin else make_password()
    # What the password must be like is said before anything is issued.
    check_password(password)
    issued = certificates.issue_client(context.office, context.actor, name, days=days, rsa_key=rsa)
    label = f"{issued.name} {context.config.site.name}"
    octets = dump_pkcs12(
        label, issued.key, issued.certificate, _authorities(issued), password, Cipher(cipher)
    )
    _write(path, octets)
    click.echo(f"wrote {path} for {issued.name}, until {issued.ends_at:%Y-%m-%d}")
    click.echo(f"serial {issued.serial}")
    if not password_stdin:
        click.echo(f"password {password}")


@cert_command.command("nas")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="NAME otherwise.")
@_days(CLIENT_DAYS, MAXIMUM_CLIENT_DAYS)
@_RSA
@click.pass_obj
def cert_nas(context: Context, name: str, out: Path | None, days: int, rsa: bool) -> None:
    """Issue a RadSec certificate to a NAS or a school's gateway, as three PEM files."""
    folder = out or Path(name.replace(os.sep, "_"))
    _new_file(folder)
    issued = certificates.issue_nas(context.office, context.actor, name, days=days, rsa_key=rsa)
    folder.mkdir(mode=0o700)
    _write(folder / "client.key", dump_key(issued.key))
    _write(folder / "client.pem", dump_chain(issued.chain[:1]))
    _write(folder / "ca.pem", dump_chain(issued.trusted))
    click.echo(f"wrote {folder}/client.pem, client.key and ca.pem for {issued.name},")
    click.echo(f"serial {issued.serial}, until {issued.ends_at:%Y-%m-%d}")
    with context.database.read() as session:
        identity = nas.get(session, name).radsec_identity
    if identity is None:
        click.echo(
            f"let the server know it by that: yuenyan nas radsec {name} {title(issued.certificate)}"
        )


@cert_command.command("revoke")
@click.argument("serial_or_name", metavar="SERIAL|NAME")
@click.option(
    "--reason", type=click.Choice([reason.value for reason in Reason]),
    default=Reason.UNSPECIFIED.value, show_default=True,
)  # fmt: skip
@click.pass_obj
def cert_revoke(context: Context, serial_or_name: str, reason: str) -> None:
    """Take back one certificate, or every one of an account or NAS. There is no way back."""
    rows = certificates.revoke(context.office, context.actor, serial_or_name, Reason(reason))
    for row in rows:
        click.echo(f"revoked {row.kind} {row.name} {row.serial}")
    if any(row.kind == Kind.SERVER for row in rows):
        click.echo("devices do not ask about it; replace it: yuenyan cert server", err=True)


@cert_command.command("crl")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Copy it there too.")
@click.pass_obj
def cert_crl(context: Context, out: Path | None) -> None:
    """Write the revocation lists afresh; the housekeeper does so every day."""
    number = revocation_lists.write_crls(context.office)
    path = CaFolder(context.config.ca_dir).path / "crl.pem"
    if out is not None:
        _replace(out, path.read_bytes())
    click.echo(f"wrote {out or path}: {number} revoked")


@cert_command.command("rollover")
@click.option("--finish", is_flag=True, help="Present the new CA's certificate from now on.")
@_days(SERVER_DAYS, MAXIMUM_SERVER_DAYS)
@_RSA
@click.pass_obj
def cert_rollover(context: Context, finish: bool, days: int, rsa: bool) -> None:
    """Go over to a new CA: begin, let devices learn it, then --finish."""
    if finish:
        issued = rollover.finish(context.office, context.actor, days=days, rsa_key=rsa)
        for one in issued:
            click.echo(
                f"the server presents {one.name} of the new CA, until {one.ends_at:%Y-%m-%d}"
            )
        if not issued:
            click.echo("the CA is changed; the server's certificate comes from elsewhere")
        return
    begun = rollover.begin(context.office, context.actor, rsa_key=rsa)
    click.echo(f"made {begun.name}")
    click.echo("devices that are set up from now on trust both CAs; hand out: yuenyan cert ca")
    if not begun.crossed:
        click.echo(
            "the present CA cannot vouch for it: devices that never learn the new CA will "
            "refuse this server after --finish",
            err=True,
        )
    click.echo("when they know it: yuenyan cert rollover --finish")


@cert_command.command("ca")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", required=True)
@click.option("--der", is_flag=True, help="DER, one certificate, for phones that want it so.")
@click.option(
    "--which", type=click.Choice(["all", "present", "next"]), default="all", show_default=True,
    help="During a rollover there are two.",
)  # fmt: skip
@click.pass_obj
def cert_ca(context: Context, out: Path, der: bool, which: str) -> None:
    """Export the CA that devices trust this server by."""
    found = CaFolder(context.config.ca_dir).trusted()
    if which == "next" and len(found) == 1:
        raise NotFound("there is no CA to come; begin a rollover: yuenyan cert rollover")
    chosen = {"all": found, "present": found[:1], "next": found[1:]}[which]
    if der and len(chosen) > 1:
        raise UsageError("a DER file holds one certificate; say --which present, or next")
    octets = chosen[0].public_bytes(Encoding.DER) if der else dump_chain(chosen)
    _replace(out, octets)
    click.echo(f"wrote {out}: {', '.join(title(one) for one in chosen)}")


def _described(row: Certificate, now: datetime, zone: str) -> dict[str, object]:
    return {
        "serial": row.serial,
        "kind": row.kind,
        "name": row.name,
        "subject": row.subject,
        "names": row.names.split(", "),
        "state": _state(row, now),
        "not_before": moment(row.not_before, zone),
        "not_after": moment(row.not_after, zone),
        "issued_at": moment(row.issued_at, zone),
        "issued_by": row.issued_by,
        "revoked_at": moment(row.revoked_at, zone),
        "revoked_by": row.revoked_by,
        "reason": row.revocation_reason,
        "authority": row.authority,
    }


def _state(row: Certificate, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "ended" if row.not_after <= now else "in force"


def _authorities(issued: Issued) -> list[x509.Certificate]:
    """The issuer, then the CA to come or the present one, whichever it is not."""
    issuer = issued.chain[1]
    return [issuer, *(one for one in issued.trusted if one != issuer)]


def _new_file(path: Path) -> Path:
    """`path`, if nothing is there and it can be written: asked before anything is issued."""
    if path.exists():
        raise Refused(f"{path} is there already; name another file with --out")
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write {path}: {folder} is no folder that this user may write to")
    return path


def _write(path: Path, octets: bytes) -> None:
    """A new file for its owner alone."""
    try:
        if not write_secret_file(path, octets):
            raise Refused(f"{path} is there already; name another file with --out")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _replace(path: Path, octets: bytes) -> None:
    try:
        replace_file(path, octets, 0o644)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
