"""Shows seals to one witness: a folder, a mailbox, an HTTPS server, a time-stamping authority.

Each either has it when `send` returns, or raises. Remembers nothing and tries nothing twice.
"""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from common.config import Config
from common.errors import ArchiveError, BackendUnavailable, ConfigError, Refused
from common.mail_server import send_letter
from common.witnesses import WitnessAddress, WitnessKind
from traffic.archive.seals import PUBLIC_FILE, Seal, encode_seal, seal_hash
from traffic.witnesses.letter import make_letter, make_post

SEAL_FILES = "yuenyan-seals-*.jsonl"
"""In the folder of a witness; named by the site's public key."""

TIMEOUT_SECONDS = 20.0
_LARGEST_ANSWER = 1 << 20


class Sender(Protocol):
    """The way to one kind of witness."""

    batch: int
    """At most so many seals are sent at once."""

    def send(self, seals: Sequence[Seal], since: int) -> None:
        """Show those of `seals` that come after the first `since`.

        Raises:
            BackendUnavailable: not now; try again.
            ArchiveError: the witness holds something that the archive does not.
            ConfigError: a file that the configuration names cannot be used.
        """


def sender_for(config: Config, address: WitnessAddress, folder: Path) -> Sender:
    """The sender for `address`; `folder` is where the answers of an authority are kept."""
    match address.kind:
        case WitnessKind.DIRECTORY:
            return DirectorySender(Path(address.target), config.keys_dir)
        case WitnessKind.MAIL:
            return MailSender(config, address.target)
        case WitnessKind.POST:
            return PostSender(config, address)
        case WitnessKind.TIMESTAMP:
            return StampSender(config, address, folder)


@dataclass
class DirectorySender:
    """Appends to one file of a folder that must be there: an unplugged disk is no folder."""

    target: Path
    keys: Path
    batch: int = 1_000_000

    def send(self, seals: Sequence[Seal], since: int) -> None:
        if not self.target.is_dir():
            raise BackendUnavailable(str(self.target), "no such folder; is the disk plugged in?")
        try:
            public = (self.keys / PUBLIC_FILE).read_text(encoding="ascii").strip()
            file = self.target / f"yuenyan-seals-{public[:16]}.jsonl"
            others = [one.name for one in self.target.glob(SEAL_FILES) if one != file]
            if others:
                raise ArchiveError(
                    str(self.target),
                    f"holds {others[0]}, seals of another key: the key here was replaced, or "
                    "another site uses this folder; each needs its own",
                )
            copied = self.target / f"yuenyan-{public[:16]}.pub"
            if not copied.exists():
                copied.write_text(public + "\n", encoding="ascii")
            handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            with os.fdopen(handle, "r+b") as stream:
                self._append(stream.fileno(), stream.read(), seals)
        except OSError as error:
            raise BackendUnavailable(str(self.target), error.strerror or str(error)) from error

    def _append(self, handle: int, held: bytes, seals: Sequence[Seal]) -> None:
        whole = held.rfind(b"\n") + 1  # an unplugged disk may have taken a part of a line
        there = set(held[:whole].split(b"\n")[:-1])
        ours = [encode_seal(seal) for seal in seals]
        strange = len(there - set(ours))
        if strange:
            raise ArchiveError(
                str(self.target), f"holds {strange} seals that the archive does not have"
            )
        os.ftruncate(handle, whole)
        os.lseek(handle, 0, os.SEEK_END)
        # All that are missing, not only the new ones: another disk may have been put in.
        left = memoryview(b"".join(line + b"\n" for line in ours if line not in there))
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)


@dataclass
class MailSender:
    """Hands a letter with the seals to the server of [mail]."""

    config: Config
    mailbox: str
    batch: int = 1_000

    def send(self, seals: Sequence[Seal], since: int) -> None:
        mail, site = self.config.mail, self.config.site
        letter = make_letter(
            site.name, site.timezone, mail.sender, self.mailbox, seals[since:], since + 1
        )
        try:
            send_letter(mail, letter, self.mailbox)
        except Refused as error:
            # A witness is asked again: its administrator may set the mailbox right.
            raise BackendUnavailable(f"mail server {mail.host}", str(error)) from error


@dataclass
class PostSender:
    """Posts the seals as JSON; the server must show a good certificate and answer 2xx."""

    config: Config
    address: WitnessAddress
    batch: int = 500

    def send(self, seals: Sequence[Seal], since: int) -> None:
        public = (self.config.keys_dir / PUBLIC_FILE).read_text(encoding="ascii").strip()
        body = make_post(self.config.site.name, public, seals[since:])
        post(self.config, self.address, body, "application/json")


@dataclass
class StampSender:
    """Has an authority stamp the newest seal, which names all before it; keeps the answer."""

    config: Config
    address: WitnessAddress
    folder: Path
    batch: int = 1_000_000

    def send(self, seals: Sequence[Seal], since: int) -> None:
        # Imported here: only a site with an authority pays for it.
        from traffic.archive.stamps import STAMP_SUFFIX, check_stamp, make_request

        authorities = self.config.archive.timestamp_ca
        assert authorities is not None
        number, seal = len(seals), seals[-1]
        request = make_request(encode_seal(seal))
        answer = post(self.config, self.address, request.octets, "application/timestamp-query")
        try:
            check_stamp(
                answer,
                authorities,
                name=self.address.shown,
                digest=seal_hash(seal),
                nonce=request.nonce,
            )
        except ArchiveError as error:
            # A bad answer is no proof against the archive: ask again.
            raise BackendUnavailable(self.address.shown, str(error)) from error
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        aside = self.folder / f"{number:08d}.aside"
        with aside.open("wb") as stream:
            stream.write(answer)
            stream.flush()
            os.fsync(stream.fileno())
        aside.rename(aside.with_suffix(STAMP_SUFFIX))


def post(config: Config, address: WitnessAddress, body: bytes, kind: str) -> bytes:
    """The body of a 2xx answer. Follows no redirection.

    Raises:
        BackendUnavailable: there is none, or TLS does not hold.
    """
    parts = urlsplit(address.target)
    host, path = parts.hostname or "", parts.path or "/"
    if parts.query:
        path += f"?{parts.query}"
    connection: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            context = _context(config)
            connection = http.client.HTTPSConnection(
                host, parts.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            octets = answer.read(_LARGEST_ANSWER)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BackendUnavailable(address.shown, str(error) or type(error).__name__) from error
    if not 200 <= answer.status < 300:
        raise BackendUnavailable(address.shown, f"answered {answer.status} {answer.reason}")
    return octets


def _context(config: Config) -> ssl.SSLContext:
    ca = config.archive.witness_ca
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ConfigError(f"cannot read {ca}: {error}", "archive.witness_ca") from error
