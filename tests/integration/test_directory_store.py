"""One directory on a real slapd: what is found, what is proven, and how it is spoken to."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.clock import utc_now
from common.config_access import Directory
from common.errors import BackendUnavailable
from identity.domain.directory import Ambiguous, Answer, Entry, OtherSpelling
from identity.stores.directory import LdapDirectory
from tests.certificates import Authority
from tests.slapd import BASE, PASSWORD, PUPILS, TEACHERS, Slapd, dn_of, person, section

pytestmark = pytest.mark.real


Opened = Callable[..., LdapDirectory]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens a directory as the configuration would; all are closed at the end."""
    made: list[LdapDirectory] = []

    def open_directory(slapd: Slapd, *lines: str, url: str = "") -> LdapDirectory:
        tree = tomllib.loads(section(slapd, tmp_path, *lines, url=url))
        settings = Directory.model_validate(tree["directory"]["school"])
        made.append(LdapDirectory("school", settings))
        return made[-1]

    yield open_directory
    for directory in made:
        directory.close()


def _found(directory: LdapDirectory, name: str) -> Entry:
    entry = directory.find(name)
    assert entry is not None, name
    return entry


@pytest.mark.parametrize("way", ["ldaps", "start_tls", "plain on loopback"])
def test_a_person_is_found_proven_and_sorted_into_a_role(
    slapd: Slapd, opened: Opened, way: str
) -> None:
    lines = ["start_tls = true"] if way == "start_tls" else []
    url = slapd.tls_url if way == "ldaps" else slapd.url
    school = opened(slapd, *lines, url=url)
    entry = _found(school, "somchai")
    assert (entry.dn, entry.full_name) == (dn_of("somchai"), "สมชาย ใจดี")
    assert entry.unique_id is not None and len(entry.unique_id) == 36
    assert school.prove(entry, PASSWORD.encode()) is Answer.PROVEN
    assert school.prove(entry, b"something else") is Answer.WRONG
    assert school.role_of(entry, "somchai") == "staff"


def test_a_server_that_insists_on_tls_gets_no_password_without_it(
    opened: Opened, tmp_path: Path
) -> None:
    folder = tmp_path / "strict"
    folder.mkdir()
    strict = Slapd(folder, Authority(tmp_path), "security tls=1")
    try:
        with pytest.raises(BackendUnavailable, match="confidentiality"):
            opened(strict, url=strict.url).find("somchai")
        assert opened(strict, "start_tls = true", url=strict.url).find("somchai")
    finally:
        strict.stop()


def test_an_empty_password_proves_nothing(slapd: Slapd, opened: Opened) -> None:
    school = opened(slapd)
    slapd.stop()  # it is not even asked
    assert school.prove(Entry(dn_of("somchai")), b"") is Answer.WRONG


def test_a_name_is_taken_letter_by_letter(slapd: Slapd, opened: Opened) -> None:
    odd = "a*(b)\\c"
    slapd.modify(person("odd", "Odd").replace("uid: odd", f"uid: odd\nuid: {odd}"), add=True)
    school = opened(slapd)
    assert _found(school, odd).dn == dn_of("odd")
    for name in ("somcha*", "*", "somchai)(uid=*", "somchai\0", "*)(objectClass=*"):
        assert school.find(name) is None, name


def test_another_spelling_that_the_server_takes_for_the_name_is_not_the_name(
    slapd: Slapd, opened: Opened
) -> None:
    slapd.modify(
        person("somying", "x").replace("uid: somying", "uid: somying\nmail: Ying@x.th"), add=True
    )
    school = opened(slapd)
    assert _found(school, "SomYing".casefold()).dn == dn_of("somying")
    for name in ("ｓｏｍｙｉｎｇ", "somyiⁿg"):
        with pytest.raises(OtherSpelling, match="somying"):
            school.find(name)
    by_mail = opened(slapd, 'user_filter = "(mail={username}@x.th)"')
    assert _found(by_mail, "ying").dn == dn_of("somying")


def test_two_entries_of_one_name_are_nobody(slapd: Slapd, opened: Opened) -> None:
    school = opened(slapd)
    with pytest.raises(Ambiguous):
        school.find("twin")


def test_members_of_a_posix_group_are_found_by_name_and_by_number(
    slapd: Slapd, opened: Opened, tmp_path: Path
) -> None:
    slapd.modify(person("mana", "Mana", gid=600), add=True)
    school = opened(slapd)
    assert school.role_of(_found(school, "wipa"), "wipa") == "student"
    assert school.role_of(_found(school, "mana"), "mana") == "student"
    assert school.role_of(_found(school, "nida"), "nida") == ""
    assert school.has_group(PUPILS) and school.has_group(TEACHERS)
    assert not school.has_group(f"cn=nobody,ou=groups,{BASE}")


def test_who_is_in_no_group_gets_the_default_role(slapd: Slapd, opened: Opened) -> None:
    school = opened(slapd, 'default_role = "guest"')
    assert school.role_of(_found(school, "nida"), "nida") == "guest"


def test_a_certificate_of_another_authority_or_for_another_name_is_not_trusted(
    slapd: Slapd, opened: Opened, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = Authority(other, "Stranger")
    school = opened(slapd)
    assert school.find("somchai")
    path = slapd.ca
    trusted = path.read_bytes()
    path.write_bytes(stranger.ca.read_bytes())
    with pytest.raises(BackendUnavailable, match=r"(?i)certificate"):
        opened(slapd).find("somchai")
    with pytest.raises(BackendUnavailable, match=r"(?i)certificate"):
        opened(slapd, "start_tls = true", url=slapd.url).find("somchai")
    path.write_bytes(trusted)
    with pytest.raises(BackendUnavailable):
        opened(slapd, 'certificate_name = "ldap.school.test"').find("somchai")


def test_a_wrong_password_of_the_search_account_is_an_outage_that_says_so(
    slapd: Slapd, opened: Opened, tmp_path: Path
) -> None:
    school = opened(slapd)
    (tmp_path / "reader.password").write_text("old one\n")
    with pytest.raises(BackendUnavailable, match=r"cn=reader.*invalidCredentials"):
        school.find("somchai")


def test_a_locked_entry_is_told_as_disabled(slapd: Slapd, opened: Opened) -> None:
    school = opened(slapd)
    slapd.lock("somchai")
    assert _found(school, "somchai").refusal(utc_now()) == "disabled"


def test_the_second_server_stands_in_and_the_first_is_left_alone(
    slapd: Slapd, opened: Opened, tmp_path: Path
) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    second = Slapd(folder, Authority(folder))
    try:
        both = f'["{slapd.url}", "{second.url}"]'
        school = opened(slapd, "timeout_seconds = 1", url=both)
        assert school.prove(_found(school, "somchai"), PASSWORD.encode()) is Answer.PROVEN
        slapd.freeze()
        began = time.monotonic()
        entry = _found(school, "somchai")
        assert school.prove(entry, PASSWORD.encode()) is Answer.PROVEN
        assert time.monotonic() - began < 4.0
        began = time.monotonic()
        for _ in range(5):
            assert school.prove(entry, PASSWORD.encode()) is Answer.PROVEN
        assert time.monotonic() - began < 1.0, "the dead one is remembered"
        slapd.thaw()
    finally:
        second.stop()


def test_a_directory_that_is_gone_fails_quickly_and_comes_back_by_itself(
    slapd: Slapd, opened: Opened, tmp_path: Path
) -> None:
    school = opened(slapd, "timeout_seconds = 1")
    assert school.find("somchai")
    slapd.freeze()
    with pytest.raises(BackendUnavailable):
        school.find("somchai")
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(BackendUnavailable):
            school.find("somchai")
    assert time.monotonic() - began < 1.5, "those that wait for it must not pile up"
    slapd.thaw()
    deadline = time.monotonic() + 6.0
    while True:
        try:
            assert school.find("somchai")
            break
        except BackendUnavailable:
            assert time.monotonic() < deadline, "it does not come back"
            time.sleep(0.2)
