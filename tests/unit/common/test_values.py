"""common.clock, common.net, common.secret, common.metrics, common.logging."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from common import logging
from common.clock import parse_time, to_rfc3339, unix_nanoseconds, utc_now
from common.errors import (
    ArchiveError,
    BackendUnavailable,
    ConfigError,
    MalformedPacket,
    NotFound,
    Refused,
    UsageError,
)
from common.metrics import Counters
from common.net import (
    find_mac,
    format_mac,
    is_randomised_mac,
    parse_address,
    parse_listen,
    parse_mac,
    parse_prefix,
    split_called_station_id,
)
from common.secret import Secret, read_secret_file, write_secret_file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:05:12+07:00", datetime(2026, 11, 22, 3, 5, 12, tzinfo=UTC)),
        ("2026-11-22T03:05:12Z", datetime(2026, 11, 22, 3, 5, 12, tzinfo=UTC)),
        ("2026-11-22 10:05", datetime(2026, 11, 22, 3, 5, tzinfo=UTC)),
        ("2026-11-22", datetime(2026, 11, 21, 17, 0, tzinfo=UTC)),
        ("2569-11-22 10:05", datetime(2026, 11, 22, 3, 5, tzinfo=UTC)),
        ("๒๕๖๙-๑๑-๒๒ ๑๐:๐๕", datetime(2026, 11, 22, 3, 5, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_the_sites_zone_and_either_era(text: str, expected: datetime) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "22/11/2569", "2026-13-01", "2026"])
def test_what_is_no_time_is_answered_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="write it like 2026-11-22T10:05:12"):
        parse_time(text)


@given(
    st.datetimes(
        min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - the zone is given below
        max_value=datetime(2399, 1, 1),  # noqa: DTZ001
        timezones=st.just(timezone(timedelta(hours=7))),
    )
)
def test_a_time_survives_being_written_and_read(moment: datetime) -> None:
    assert parse_time(to_rfc3339(moment, "Asia/Bangkok")) == moment


def test_the_clock_is_aware_and_the_two_forms_agree() -> None:
    assert utc_now().tzinfo is UTC
    assert abs(unix_nanoseconds() / 1e9 - utc_now().timestamp()) < 5


@pytest.mark.parametrize(
    "text",
    [
        "3c:22:fb:01:02:03",
        "3C-22-FB-01-02-03",
        "3c22.fb01.0203",
        "3C22FB010203",
        "3c22fb-010203",
        "1:3c:22:fb:1:2:3",
        " 3c:22:fb:01:02:03 ",
    ],
)
def test_every_vendors_spelling_is_the_same_mac(text: str) -> None:
    assert find_mac(text) == "3c22fb010203"
    assert format_mac("3c22fb010203") == "3c:22:fb:01:02:03"


@pytest.mark.parametrize("text", ["", "somchai", "3c:22:fb:01:02", "3c22fb01020g", "a" * 11])
def test_what_is_no_mac_is_not_found(text: str) -> None:
    assert find_mac(text) is None
    with pytest.raises(UsageError):
        parse_mac(text)


def test_a_multicast_address_is_no_device() -> None:
    with pytest.raises(UsageError, match="multicast"):
        parse_mac("01:00:5e:00:00:01")


def test_a_randomised_mac_is_recognised() -> None:
    assert is_randomised_mac("da22fb010203")
    assert not is_randomised_mac("3c22fb010203")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00-11-22-33-44-55:School", ("001122334455", "School")),
        ("00-11-22-33-44-55:a:b", ("001122334455", "a:b")),
        ("00-11-22-33-44-55", ("001122334455", "")),
        ("School", (None, "School")),
        ("00-11-22-33-44-55School", (None, "00-11-22-33-44-55School")),
    ],
)
def test_called_station_id_is_split_after_the_mac(
    text: str, expected: tuple[str | None, str]
) -> None:
    assert split_called_station_id(text) == expected


def test_addresses_prefixes_and_listening_addresses() -> None:
    assert str(parse_address("::ffff:10.0.0.1")) == "10.0.0.1"
    assert str(parse_prefix("10.1.0.0/24")) == "10.1.0.0/24"
    assert parse_listen("[::]:1812") == ("::", 1812)
    for bad in ("10.0.0", ""):
        with pytest.raises(UsageError):
            parse_address(bad)
    with pytest.raises(UsageError, match=r"10\.1\.0\.0/24"):
        parse_prefix("10.1.0.1/24")
    for bad in ("1812", "host:1812", "0.0.0.0:70000", "0.0.0.0:x"):
        with pytest.raises(ValueError, match=r".+"):
            parse_listen(bad)


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(b"testing123")
    assert "testing123" not in f"{secret} {secret!r}"
    assert secret == Secret(b"testing123")
    assert secret != Secret(b"testing124")
    assert len({secret, Secret(b"testing123")}) == 1


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    assert write_secret_file(path, b"one")
    assert not write_secret_file(path, b"two")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret_file(path).reveal() == b"one"


@pytest.mark.parametrize(
    ("mode", "content", "message"),
    [
        (0o644, b"x", "chmod 600"),
        (0o600, b" \n", "is empty"),
        (None, b"", "bring it back from the backup; on a new site run 'yuenyan init'"),
    ],
)
def test_a_key_file_that_cannot_be_trusted_stops(
    tmp_path: Path, mode: int | None, content: bytes, message: str
) -> None:
    path = tmp_path / "a.key"
    if mode is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=message):
        read_secret_file(path)


def test_a_missing_secret_file_has_the_advice_of_whoever_needs_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write it down") as told:
        read_secret_file(tmp_path / "a.password", "write it down")
    assert "init" not in str(told.value)


def test_counters_are_written_in_prometheus_form(tmp_path: Path) -> None:
    counters = Counters()
    counters.add("radius_dropped", reason='mal"formed')
    counters.add("radius_dropped", 2, reason='mal"formed')
    counters.add("started")
    path = tmp_path / "metrics" / "radius.prom"
    counters.write(path)
    assert path.read_text() == (
        'yuenyan_radius_dropped{reason="mal\\"formed"} 3\nyuenyan_started 1\n'
    )
    assert counters.get("radius_dropped", reason='mal"formed') == 3
    assert counters.get("never") == 0
    assert list(path.parent.iterdir()) == [path]


def test_a_log_line_is_one_line_whatever_a_name_holds() -> None:
    stream = io.StringIO()
    logging.configure("test", stream=stream)
    try:
        logging.get_logger("m").info("access_denied", user="eve\n{\x1b[31m", number=3)
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["event"] == "access_denied"
    assert entry["user"] == "eve\\x0a{\\x1b[31m"
    assert (entry["process"], entry["module"], entry["number"]) == ("test", "m", 3)


def test_errors_carry_the_exit_code_of_their_kind() -> None:
    assert ConfigError("bad", "site.name").exit_code == 2
    assert str(ConfigError("bad", "site.name")) == "site.name: bad"
    assert UsageError("x").exit_code == 2
    assert NotFound("x").exit_code == Refused("x").exit_code == 1
    assert BackendUnavailable("database", "gone").exit_code == 3
    assert str(BackendUnavailable("database", "gone")) == "database is unavailable: gone"
    assert str(MalformedPacket("short", 4)) == "short at octet 4"
    assert str(ArchiveError("a.parquet", "altered")) == "a.parquet: altered"
