"""The proxy of the example: what the portals' addresses hold stays out of its logs."""

from __future__ import annotations

import re
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "deploy" / "nginx.conf"
TELLING = re.compile(
    r"\$(?:request|request_uri|uri|document_uri|args|arg_\w+|query_string|is_args|http_referer"
    r"|request_body|cookie_\w+|http_cookie|upstream_http_location|sent_http_location)\b(?!_)"
)


def text() -> str:
    """The example without its comments."""
    return re.sub(r"(?m)^\s*#.*$", "", EXAMPLE.read_text(encoding="utf-8"))


def test_every_server_logs_by_the_examples_format_and_no_error_with_an_address() -> None:
    servers = re.split(r"(?m)^server \{", text())[1:]
    assert len(servers) == 2
    for server in servers:
        assert re.findall(r"access_log \S+ (\w+);", server) == ["yuenyan"]
        # nginx writes the request's line into what it logs at "error" and below.
        assert re.findall(r"error_log \S+ (\w+);", server) == ["crit"]


def test_the_format_has_neither_a_query_nor_a_whole_path() -> None:
    (form,) = re.findall(r"log_format yuenyan ([^;]+);", text())
    assert "$yuenyan_page" in form and TELLING.findall(form) == []


def test_of_a_path_the_first_part_is_kept() -> None:
    (pattern,) = re.findall(r"(?m)^\s+~(\S+) \$yuenyan_first;", text())
    expression = re.compile(pattern.replace("(?<", "(?P<"))
    for path, kept in (
        ("/registration/ABCDE-FGHJK", "/registration"),
        ("/v", "/v"),
        ("/", "/"),
        ("/p/hall/", "/p"),
    ):
        found = expression.match(path)
        assert found is not None and found["yuenyan_first"] == kept
