"""Cuts content out of a line before anything of it is kept.

Pure. Traffic data may be kept, content may not: addresses of pages, names that were asked
of the DNS, subjects of mails. What goes is replaced by `[cut:N]`, N being its octets. It errs
on the side of cutting: a name that looks like a host's goes, whatever it was.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MARK = re.compile(rb"\[cut:\d+\]")

_METHODS = rb"GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PROPFIND|REPORT|MKCOL"
_NAMES = frozenset(
    b"url uri urlpath hostname httphost http_host dhost domain domainname qname query dnsname sni"
    b" servername server_name tlsname ccertissuer scertcname dstname subject referer referrer"
    b" referralurl refererurl request requesturl reqpath filename file attachment agent useragent"
    b" user_agent catdesc category urlcategory search keyword body password passwd pwd secret token"
    b" cookie rrname rdata http_user_agent user-agent http_refer http_referer request_uri"
    b" query_string server-name".split()
)
"""Fields whose values are content, or somebody's secret."""
_TEXT = rb'"(?:[^"\\]|\\[\s\S]?)*+"?'
"""A line may have been shortened: what has no end goes to the end."""
_VALUE = (
    rb"(?:" + _TEXT + rb"|\[(?!cut:\d)(?:" + _TEXT + rb"|[^\]\"])*+\]?"
    rb'|(?!\{ ?["}])[^\s",;]+)'
)
"""A text, a list, or a word; of an object (JSON) it is its fields that are looked at."""
_WORD = rb"[A-Za-z0-9_\x80-\xff-]"

_URL = re.compile(rb"(?i)\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>]+")
_REQUEST = re.compile(rb"\b((?:" + _METHODS + rb") +)([^\s\"]+)")
_KEPT_PATH = re.compile(rb"(/[^\s\"?#;]*)(.*)", re.DOTALL)
_FIELD = re.compile(
    rb"(?i)(?<![\w.-])((?:" + b"|".join(sorted(_NAMES)) + rb')"? {0,4}[=:] {0,4})(' + _VALUE + rb")"
)
"""Names alone: `fw: url=/x` must not be taken for a field `fw`."""
_SUBJECT = re.compile(rb"(?i)(\bsubject: ?)(.+?)(?=;? from[ =<]|$)", re.DOTALL)
_ASKED = re.compile(rb"(?i)(\bquery(?:\[[^\]\s]{0,16}\])?:? (?:\()?)([^\s\[]+)")
_ANSWERED = re.compile(
    rb"(\b(?:reply|cached(?:-stale)?|forwarded|config|validation|dnssec-query\[\w{1,16}\]) )(\S+)"
)
_HOST = re.compile(
    rb"(?<![\w@.\x80-\xff-])(?!kea-dhcp)(?:"
    + _WORD
    + rb"{1,63}\.)+(?:[A-Za-z]{2,24}|[\x80-\xff]{4,60})\.?(?![\w@=\x80-\xff-]|\.\w)"
    + rb"(?:(?::\d{1,5})?/[^\s\"']*)?"
)
_ADDRESS_PATH = re.compile(
    rb"(?i)((?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?|\[[\da-f:.]{2,45}\](?::\d{1,5})?)"
    rb"(/(?=\d{0,20}[a-z%_~?&=+@\x80-\xff]|\d{0,20}[./-][\w?%./-])[^\s\"']*)"
)
"""A page of a server without a name; `/24` is a network and `/443` a port."""
_HEADER = re.compile(
    rb"(?:<\d{1,3}>)?(?:1 (?:\S+ ){5}|(?:[A-Z][a-z]{2} [ \d]\d(?: \d{4})? [\d:]{8}|"
    rb"\d{4}-\d\d-\d\dT\S+) \S+ )?"
)
_SERVER = re.compile(
    rb"(?:^|[ >])(?:nginx|apache2?|httpd|dovecot|vsftpd|sshd(?:-session)?|"
    rb"postfix(?:/[\w/-]{1,40})?)"
    rb"(?:\[\d+\]: |: | )"
)
_HEADER_OCTETS = 200
_DOTTED = re.compile(rb"\.[a-z\x80-\xff]")
_NAMED = tuple(name + sign for name in sorted(_NAMES) for sign in (b"=", b":"))
_REQUESTED = tuple(method + b" " for method in _METHODS.split(b"|"))


class Cleaned(NamedTuple):
    """A line without content, and how many pieces were cut out of it."""

    octets: bytes
    cuts: int


def cut_content(line: bytes, *, own: bool = False) -> Cleaned:
    """`line` without content.

    Args:
        own: it is from one of the site's own machines. Lines of their web, mail, file and login
            servers name what was asked of them: the path of a page (never its query) and the
            names of files and of hosts stay.
    """
    head = _HEADER.match(line)
    start = head.end() if head else 0
    body = line[start:]
    lowered = body.lower()
    own = own and _SERVER.search(line, 0, _HEADER_OCTETS) is not None
    cuts = 0

    def gone(octets: bytes) -> bytes:
        nonlocal cuts
        if not octets or MARK.fullmatch(octets):
            return octets
        cuts += 1 - len(MARK.findall(octets))
        return b"[cut:%d]" % len(octets)

    def value(match: re.Match[bytes]) -> bytes:
        return match[1] + gone(match[2])

    def request(match: re.Match[bytes]) -> bytes:
        path = _KEPT_PATH.fullmatch(match[2]) if own else None
        if path is not None:
            return match[1] + path[1] + gone(path[2])
        return value(match)

    def field(match: re.Match[bytes]) -> bytes:
        head, text = match[1], match[2]
        if text.startswith(b'"'):
            return head + b'"' + gone(text[1:].removesuffix(b'"')) + b'"'
        if text.startswith(b"[") and not MARK.match(text):
            return head + b'["' + gone(text[1:].removesuffix(b"]").strip(b'"')) + b'"]'
        return head + gone(text)

    # Most lines hold nothing of it: what is cheap to look for decides what is looked for well.
    if b"://" in body:
        body = _URL.sub(lambda match: gone(match[0]), body)
    if any(method in body for method in _REQUESTED):
        body = _REQUEST.sub(request, body)
    if b"subject:" in lowered:
        body = _SUBJECT.sub(value, body)
    squeezed = lowered.replace(b'"', b"").replace(b" ", b"")
    if any(name in squeezed for name in _NAMED):
        body = _FIELD.sub(field, body)
    if b"query" in lowered:
        body = _ASKED.sub(value, body)
    if b"dnsmasq" in line and b"dnsmasq-dhcp" not in line:
        body = _ANSWERED.sub(value, body)
    if b"/" in body:
        body = _ADDRESS_PATH.sub(request, body)
    if not own and _DOTTED.search(lowered):
        body = _HOST.sub(lambda match: gone(match[0]), body)
    return Cleaned(line[:start] + body, cuts)
