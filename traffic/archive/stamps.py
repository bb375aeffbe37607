"""Time-stamps of an authority outside (RFC 3161): the request, its token, and its check.

The authority signs that it saw the SHA-256 of a seal at its own time, so neither can be made
later. Does not speak HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.base import HashAlgorithm

from common.errors import ArchiveError, ConfigError

STAMP_SUFFIX = ".tsr"
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an authority has signed."""

    digest: str
    """SHA-256 of the seal, in hex."""
    at_ms: int
    """By the authority's clock, milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class StampRequest:
    """One question to an authority."""

    octets: bytes
    nonce: int | None


def make_request(seal_line: bytes) -> StampRequest:
    """A request for the SHA-256 of a seal's line, with a nonce and the authority's certificate."""
    request = (
        TimestampRequestBuilder()
        .data(seal_line)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    return StampRequest(request.as_bytes(), request.nonce)


def check_stamp(
    octets: bytes,
    authorities: Path,
    *,
    name: str,
    digest: str | None = None,
    nonce: int | None = None,
) -> Stamp:
    """The stamp in a time-stamp response, proven to be of an authority we trust.

    Args:
        name: of the file or authority, for the error.
        digest: what was asked for, SHA-256 in hex; None takes what the token says.
        nonce: of the request; None when the request is long gone.

    Raises:
        ArchiveError: it is none, is signed by somebody else, or answers another question.
    """
    try:
        response = decode_timestamp_response(octets)
        imprint = response.tst_info.message_imprint
        if imprint.hash_algorithm != _SHA256:
            raise VerificationError("it is not over SHA-256")
        stamped = bytes(imprint.message)
        _verify(response, authorities, digest_octets(digest) if digest else stamped, nonce)
    except (ValueError, VerificationError, OverflowError) as error:
        raise ArchiveError(name, f"is no time-stamp that counts: {error}") from error
    return Stamp(stamped.hex(), round(response.tst_info.gen_time.timestamp() * 1000))


def read_stamp(file: Path, authorities: Path | None) -> Stamp:
    """The stamp in a file.

    Raises:
        ArchiveError: it does not count.
        ConfigError: nobody said which authorities do.
    """
    if authorities is None:
        raise ConfigError(
            f"{file} is a time-stamp: name the certificates of its authority's issuer",
            "archive.timestamp_ca",
        )
    return check_stamp(file.read_bytes(), authorities, name=str(file))


def digest_octets(digest: str) -> bytes:
    return bytes.fromhex(digest)


def _verify(
    response: TimeStampResponse, authorities: Path, digest: bytes, nonce: int | None
) -> None:
    builder = VerifierBuilder(nonce=nonce)
    for certificate in _read_authorities(authorities):
        builder = builder.add_root_certificate(certificate)
    builder.build().verify(response, digest)


def _read_authorities(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read certificates from {path}: {error}", "archive.timestamp_ca"
        ) from error
