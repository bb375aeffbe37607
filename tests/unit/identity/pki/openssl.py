"""The openssl program as a witness for what identity.pki makes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from identity.pki.authority import dump_chain
from tests.programs import require

PEM = Encoding.PEM


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`openssl …`, whatever it comes to."""
    return subprocess.run(
        [require("openssl", "openssl"), *map(str, arguments)], input=stdin, capture_output=True
    )


def text(certificate: x509.Certificate) -> str:
    """`openssl x509 -text`."""
    done = run("x509", "-noout", "-text", stdin=dump_chain([certificate]))
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def verify(
    folder: Path,
    leaf: x509.Certificate,
    trusted: Sequence[x509.Certificate],
    *options: str | Path,
    sent: Sequence[x509.Certificate] = (),
) -> str:
    """What `openssl verify` says: `OK`, or its complaint.

    Args:
        sent: what the peer sent beside the leaf.
    """
    (folder / "leaf.pem").write_bytes(dump_chain([leaf]))
    (folder / "trusted.pem").write_bytes(dump_chain(trusted))
    (folder / "sent.pem").write_bytes(dump_chain(sent))
    extra: list[str | Path] = ["-untrusted", folder / "sent.pem"] if sent else []
    done = run(
        "verify", "-x509_strict", "-CAfile", folder / "trusted.pem", *extra, *options,
        folder / "leaf.pem",
    )  # fmt: skip
    said = (done.stdout + done.stderr).decode()
    return "OK" if done.returncode == 0 else said
