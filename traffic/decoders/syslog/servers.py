"""The site's own servers: web, mail, file transfer and remote login.

Pure. What is kept is what the notification's annex lists for each kind of server. Formats: nginx
and Apache "combined"; Postfix, smtpd(8), qmgr(8), smtp(8); Dovecot, "Login Process"; vsftpd,
vsftpd.conf(5) `dual_log_enable`; OpenSSH, auth.c.
"""

from __future__ import annotations

import json
import re

from traffic.decoders.syslog.lines import AccessLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.values import address, number

_WEB = re.compile(
    r"(?:\S+ )??(?P<client>[0-9A-Fa-f.:]+) \S+ (?P<user>\S+) \[(?P<at>[^\]]{10,40})\] "
    r'"(?P<command>[A-Z]{1,16}) (?P<uri>[^\s"]*)(?: [^"]{0,16})?" (?P<status>\d{3}) '
    r"(?P<octets>\d+|-)(?: .*)?"
)
_POSTFIX_KEYS = re.compile(r"([a-z_-]+)=(<[^<>]*>|[^,\s]+)")
_POSTFIX_ID = re.compile(r"(?P<id>[0-9A-F]{6,20}|[0-9A-Za-z]{10,20}): (?P<rest>.*)")
_POSTFIX_CLIENT = re.compile(r"client=[^\s\[]*\[(?P<client>[^\]\s]+)\]")
_STATUS = re.compile(r"\bstatus=(?P<status>[a-z]{1,16})\b")
_DOVECOT = re.compile(
    r"(?P<service>imap|pop3|submission|managesieve)-login: (?P<what>[^:]{1,200}):? ?"
    r"(?:\(.{0,200}\): )?user=<(?P<user>[^>]{0,200})>(?P<rest>.*)"
)
_REMOTE = re.compile(r"\brip=([0-9A-Fa-f.:]+)")
_SESSION = re.compile(r"\bsession=<([^>\s]{1,64})>")
_METHOD = re.compile(r"\bmethod=([A-Za-z0-9_-]{1,32})")
_VSFTPD = re.compile(
    r"(?:\[pid \d+\] )?(?:\[(?P<user>[^\]]{1,64})\] )?(?:(?P<result>OK|FAIL) )?"
    r"(?P<command>[A-Z]+): "
    r'Client "(?P<client>[0-9A-Fa-f.:]+)"(?:, "(?P<path>[^"]*)")?'
    r"(?:, (?P<octets>\d+) bytes)?(?:, .*)?"
)
_SSH = re.compile(
    r"(?P<outcome>Accepted|Failed) (?P<method>[a-z/-]{1,40}) for (?:invalid user )?"
    r"(?P<user>.{0,200}) from (?P<client>[0-9A-Fa-f.:]+) port \d+(?: ssh2?(?:: .{0,200})?)?"
)


def read_web(message: Message) -> AccessLine | None:
    """A request to a web server."""
    match = _WEB.fullmatch(message.text) or _WEB.fullmatch(message.rest)
    client = address(match["client"]) if match else None
    if match is None or client is None:
        return None
    return AccessLine(
        form="web-combined",
        service="web",
        method=match["command"],
        user_name=None if match["user"] == "-" else match["user"],
        client_address=client,
        outcome=match["status"],
        octets=number(match["octets"]),
        detail=match["uri"],
    )


def read_postfix(message: Message) -> AccessLine | None:
    """A step of a mail's way through Postfix."""
    match = _POSTFIX_ID.fullmatch(message.text)
    if match is None:
        return None
    rest = match["rest"]
    fields = {key: value.strip("<>") for key, value in _POSTFIX_KEYS.findall(rest)}
    detail = {
        name: fields[key]
        for name, key in (("message_id", "message-id"), ("sender", "from"), ("recipient", "to"))
        if key in fields
    }
    client = _POSTFIX_CLIENT.search(rest)
    status = _STATUS.search(rest)
    if not detail and client is None and status is None:
        return None
    return AccessLine(
        form="postfix",
        service="mail",
        method=fields.get("sasl_method"),
        user_name=fields.get("sasl_username"),
        client_address=address(client["client"]) if client else None,
        outcome=status["status"] if status else None,
        session_ref=match["id"],
        octets=number(fields.get("size")),
        detail=json.dumps(detail, ensure_ascii=False, sort_keys=True) if detail else None,
    )


def read_dovecot(message: Message) -> AccessLine | None:
    """A login to a mailbox, or one that failed."""
    match = _DOVECOT.fullmatch(message.text)
    if match is None:
        return None
    remote, session = _REMOTE.search(match["rest"]), _SESSION.search(match["rest"])
    method = _METHOD.search(match["rest"])
    return AccessLine(
        form="dovecot",
        service="mail",
        method=method[1] if method else match["service"],
        user_name=match["user"] or None,
        client_address=address(remote[1]) if remote else None,
        outcome="accept" if match["what"].endswith("Login") else "reject",
        session_ref=session[1] if session else None,
        detail=match["service"],
    )


def read_vsftpd(message: Message) -> AccessLine | None:
    """A login to, or a file of, an FTP server."""
    match = _VSFTPD.fullmatch(message.text)
    client = address(match["client"]) if match else None
    if match is None or client is None:
        return None
    return AccessLine(
        form="vsftpd",
        service="ftp",
        method=match["command"],
        user_name=match["user"],
        client_address=client,
        outcome={"OK": "accept", "FAIL": "reject"}.get(match["result"] or ""),
        octets=number(match["octets"]),
        detail=match["path"],
    )


def read_sshd(message: Message) -> AccessLine | None:
    """A login by SSH, or one that failed."""
    match = _SSH.fullmatch(message.text)
    client = address(match["client"]) if match else None
    if match is None or client is None:
        return None
    return AccessLine(
        form="openssh",
        service="login",
        method=match["method"],
        user_name=match["user"],
        client_address=client,
        outcome="accept" if match["outcome"] == "Accepted" else "reject",
    )
