"""The exception tree of the whole project.

    NetAccessError
      ConfigError(message, key)            start-up only; exit 2 with one clear sentence
        NoTables()                         the database is empty, or is not there
      UsageError(message)                  the operator asked for something impossible; exit 2
      NotFound(message)                    the named thing does not exist; exit 1
      Refused(message)                     a rule of the office says no; exit 1
      ProtocolError                        a peer broke a rule
        MalformedPacket(reason, offset)    drop, count, never answer
        NotAuthentic(which)                wrong secret or no Message-Authenticator: drop, count
        EapViolation(reason)               end the conversation with EAP-Failure
      BackendUnavailable(backend)          SQL, LDAP or disk: not the user's fault; exit 3
        ValueRefused(backend)              it is there, but cannot hold what it was asked about
      ArchiveError(path, message)          an archive file does not say what it should

Rejecting a login is not an exception: it is the value `Denied` of identity.domain.
"""

from __future__ import annotations


class NetAccessError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code = 1


class ConfigError(NetAccessError):
    """The configuration cannot be used; `key` is the dotted path of the culprit."""

    exit_code = 2

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(f"{key}: {message}" if key else message)
        self.key = key


class NoTables(ConfigError):  # noqa: N818 - as below
    """The database is empty, or is not there: `init` has not been run, or somebody lost it."""

    def __init__(self) -> None:
        super().__init__("the database has no tables yet; run 'yuenyan init' first")


class UsageError(NetAccessError):
    """The operator's request makes no sense as given; the message says what would."""

    exit_code = 2


class NotFound(NetAccessError):  # noqa: N818 - reads as what happened
    """The named person, account, NAS or record does not exist."""


class Refused(NetAccessError):  # noqa: N818
    """A rule says no; the message names the rule and what to do."""


class ProtocolError(NetAccessError):
    """A peer broke a protocol rule."""


class MalformedPacket(ProtocolError):  # noqa: N818
    """A datagram whose structure is broken at `offset` octets from its start."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"{reason} at octet {offset}")
        self.reason = reason
        self.offset = offset


class NotAuthentic(ProtocolError):  # noqa: N818
    """A packet that fails its authenticator; `which` names the check."""

    def __init__(self, which: str) -> None:
        super().__init__(which)
        self.which = which


class EapViolation(ProtocolError):  # noqa: N818
    """An EAP peer said what its method does not allow; `reason` is a short machine code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BackendUnavailable(NetAccessError):  # noqa: N818 - the field says "unavailable"
    """A back end (SQL, LDAP, disk) did not answer; `advice` is for who asked at the console."""

    exit_code = 3

    def __init__(self, backend: str, detail: str = "", advice: str = "") -> None:
        super().__init__(f"{backend} is unavailable" + (f": {detail}" if detail else ""))
        self.backend = backend
        self.advice = advice


class ValueRefused(BackendUnavailable):
    """The database cannot hold a value it was asked about, such as a name with a NUL in it.

    Whoever asked about several may ask about each by itself: nothing is wrong with the others.
    """


class ArchiveError(NetAccessError):
    """An archive file is missing, altered or unreadable."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
