"""The files of this site's CA: `<data_dir>/ca`, each replaced whole, under one lock.

    ca.pem, ca.key          the CA that the server's certificate comes from; ca.pem goes on with
                            every other CA whose client certificates are accepted
    next-ca.pem, .key       the CA to come, while a rollover is under way
    cross.pem               the present CA certified by the one before it
    next-cross.pem          the CA to come, certified by the present one
    crl.pem                 one revocation list for each CA
    server.pem, .key        what the server presents: certificate, then cross-certificate or CA
    old/                    what was replaced

Keys are 0600, the rest 0644; a file written by root belongs to the owner of the folder. No
records are kept here, see identity.services.certificates.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from common.errors import BackendUnavailable, ConfigError, NotFound
from common.secret import read_secret_file
from identity.pki.authority import (
    Authority,
    PrivateKey,
    dump_chain,
    dump_key,
    key_id,
)

CA = "ca.pem"
CRL = "crl.pem"
SERVER = "server.pem"
SERVER_KEY = "server.key"
_CA_KEY = "ca.key"
_NEXT, _NEXT_KEY = "next-ca.pem", "next-ca.key"
_CROSS, _NEXT_CROSS = "cross.pem", "next-cross.pem"
_OLD = "old"
_LOCK = ".lock"
_CROSS_WORTH = timedelta(days=30)
"""A cross-certificate that ends sooner is not sent: the server's would have to end with it."""
_CRL_END = b"-----END X509 CRL-----"


def replace_file(path: Path, octets: bytes, mode: int) -> None:
    """Put `octets` at `path` in one step: a reader sees the old file or the new one."""
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(handle, mode)
            if os.geteuid() == 0:
                # An officer's sudo must not take the file away from the service.
                owner = path.parent.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)
            stream.write(octets)
            stream.flush()
            os.fsync(handle)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Every certificate in a PEM file, in order.

    Raises:
        ConfigError: the file cannot be read, or holds none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} holds no certificate in PEM") from error


def read_crls(path: Path) -> tuple[x509.CertificateRevocationList, ...]:
    """Every revocation list in a file, in order: several in PEM, or one in DER.

    Empty when there is no such file, or nothing in it.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    try:
        octets = path.read_bytes()
        parts = octets.split(_CRL_END)[:-1]
        if not parts and octets.strip():
            return (x509.load_der_x509_crl(octets),)
        return tuple(x509.load_pem_x509_crl(part + _CRL_END) for part in parts)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} holds no revocation list in PEM or DER") from error


def read_key(path: Path) -> PrivateKey:
    """The RSA or ECDSA key in a PEM file that its owner alone may read.

    Raises:
        ConfigError: there is none, others can read it, or it is of another kind.
    """
    try:
        key = load_pem_private_key(read_secret_file(path).reveal(), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} holds no private key in PEM without a password") from error
    if not isinstance(key, PrivateKey):
        raise ConfigError(f"{path} holds a key that is neither RSA nor ECDSA")
    return key


def write_pair(
    certificate: Path, private_key: Path, chain: Sequence[x509.Certificate], key: PrivateKey
) -> None:
    """Replace a certificate and its key, the certificate last.

    Whoever watches the certificate and loads both when it changes finds a pair.
    """
    replace_file(private_key, dump_key(key), 0o600)
    replace_file(certificate, dump_chain(chain), 0o644)


class CaFolder:
    """The CA of this site on disk. What changes several files is done within `locked()`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether the CA's key is here; a site with certificates from elsewhere has none."""
        return (self.path / _CA_KEY).exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against other processes that would change it.

        Raises:
            NotFound: there is no such folder.
            BackendUnavailable: this user may not write there.
        """
        try:
            handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:
            raise NotFound(_no_ca(self.path)) from error
        except OSError as error:
            raise BackendUnavailable(str(self.path), str(error.strerror)) from error
        try:
            if os.geteuid() == 0:
                owner = self.path.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def active(self) -> Authority:
        """The CA that the server's certificate comes from.

        Raises:
            NotFound: this site has no CA of its own.
            ConfigError: its files do not belong together.
        """
        if not self.exists():
            raise NotFound(_no_ca(self.path))
        key = read_key(self.path / _CA_KEY)
        public_key = key.public_key()
        # The files of a rollover that was cut short are looked at too.
        for name in (CA, _NEXT):
            path = self.path / name
            for certificate in read_certificates(path) if path.exists() else ():
                if certificate.public_key() == public_key:
                    return Authority(certificate, key)
        raise ConfigError(f"{self.path / _CA_KEY} belongs to no certificate in {self.path / CA}")

    def successor(self) -> Authority | None:
        """The CA to come, while a rollover is under way."""
        path = self.path / _NEXT
        if not path.exists() or not (self.path / _NEXT_KEY).exists():
            return None
        found = Authority(read_certificates(path)[0], read_key(self.path / _NEXT_KEY))
        return None if found.key_id == self.active().key_id else found

    def issuer(self) -> Authority:
        """The CA that new client certificates come from: the one to come, if there is one."""
        return self.successor() or self.active()

    def predecessors(self) -> tuple[Authority, ...]:
        """CAs of the past that can still sign their revocation lists."""
        return tuple(
            Authority(read_certificates(path)[0], read_key(path.with_suffix(".key")))
            for path in sorted((self.path / _OLD).glob("ca-*.pem"))
            if path.with_suffix(".key").exists()
        )

    def trusted(self) -> tuple[x509.Certificate, ...]:
        """What a device that is set up now shall trust: the present CA, and the one to come.

        Raises:
            ConfigError, NotFound: there is no CA.
        """
        path = self.path / CA
        if not path.exists():
            raise NotFound(_no_ca(self.path))
        # Without the key, as in the portal's process, the first of the file is the present one.
        found = [read_certificates(path)[0]]
        if (self.path / _NEXT).exists():
            found += read_certificates(self.path / _NEXT)[:1]
        return tuple({key_id(one): one for one in found}.values())

    def above(self, authority: Authority, now: datetime) -> x509.Certificate:
        """What the server sends after a certificate that comes from `authority`.

        The cross-certificate, which leads devices of the time before to the CA they know; or
        the CA itself, which Android pins when somebody trusts the server on first use.
        """
        for name in (_CROSS, _NEXT_CROSS):
            path = self.path / name
            if path.exists():
                cross = read_certificates(path)[0]
                lasts = cross.not_valid_after_utc - now
                if key_id(cross) == authority.key_id and lasts >= _CROSS_WORTH:
                    return cross
        return authority.certificate

    def write_first(self, authority: Authority) -> None:
        """Lay down the CA of a new site."""
        replace_file(self.path / _CA_KEY, dump_key(authority.key), 0o600)
        replace_file(self.path / CA, dump_chain([authority.certificate]), 0o644)

    def write_successor(self, authority: Authority, cross: x509.Certificate | None) -> None:
        """Lay down the CA to come."""
        if cross is not None:
            replace_file(self.path / _NEXT_CROSS, dump_chain([cross]), 0o644)
        replace_file(self.path / _NEXT_KEY, dump_key(authority.key), 0o600)
        replace_file(self.path / _NEXT, dump_chain([authority.certificate]), 0o644)

    def promote(self) -> None:
        """Make the CA to come the present one; the present one goes to old/.

        Cut short at any point, `active` finds one of the two and the call can be repeated.
        """
        successor = self.successor()
        if successor is not None:
            present = self.active()
            stem = self._old() / f"ca-{present.key_id[:16]}"
            write_pair(
                stem.with_suffix(".pem"), stem.with_suffix(".key"), [present.certificate],
                present.key,
            )  # fmt: skip
            others = read_certificates(self.path / CA)
            first = [successor.certificate, present.certificate]
            self.write_accepted([*first, *others])
            replace_file(self.path / _CA_KEY, dump_key(successor.key), 0o600)
        (self.path / _CROSS).unlink(missing_ok=True)
        if (self.path / _NEXT_CROSS).exists():
            (self.path / _NEXT_CROSS).replace(self.path / _CROSS)
        (self.path / _NEXT_KEY).unlink(missing_ok=True)
        (self.path / _NEXT).unlink(missing_ok=True)

    def accepted(self, needed: frozenset[str]) -> tuple[Authority, ...]:
        """The CAs whose client certificates count: present, to come, and of the past if needed.

        Args:
            needed: key identifiers of CAs that certificates in force come from.
        """
        present = [self.active(), self.successor()]
        past = [one for one in self.predecessors() if one.key_id in needed]
        every = {one.key_id: one for one in (*present, *past) if one is not None}
        return tuple(every.values())

    def write_accepted(self, certificates: Sequence[x509.Certificate]) -> None:
        """Rewrite ca.pem, each CA once, unless it says so already."""
        once = {key_id(one): one for one in certificates}
        octets = dump_chain(list(once.values()))
        path = self.path / CA
        if not path.exists() or path.read_bytes() != octets:
            replace_file(path, octets, 0o644)

    def foreign(self) -> tuple[x509.Certificate, ...]:
        """CAs that somebody has added to ca.pem by hand; they stay there."""
        ours = {one.key_id for one in (self.active(), *self.predecessors())}
        successor = self.successor()
        if successor is not None:
            ours.add(successor.key_id)
        return tuple(one for one in read_certificates(self.path / CA) if key_id(one) not in ours)

    def write_crls(self, lists: Sequence[x509.CertificateRevocationList]) -> None:
        """Replace the revocation lists."""
        octets = b"".join(one.public_bytes(Encoding.PEM) for one in lists)
        replace_file(self.path / CRL, octets, 0o644)

    def keep_aside(self, path: Path, now: datetime) -> None:
        """Copy a file that is about to be replaced into old/, under its name and the moment."""
        if path.exists():
            mode = path.stat().st_mode & 0o777
            aside = self._old() / f"{path.stem}-{now:%Y%m%dT%H%M%SZ}{path.suffix}"
            replace_file(aside, path.read_bytes(), mode)

    def _old(self) -> Path:
        path = self.path / _OLD
        if not path.exists():
            path.mkdir(mode=0o700)
            if os.geteuid() == 0:
                owner = self.path.stat()
                os.chown(path, owner.st_uid, owner.st_gid)
        return path


def _no_ca(path: Path) -> str:
    return f"there is no certificate authority in {path}; run: yuenyan init"
