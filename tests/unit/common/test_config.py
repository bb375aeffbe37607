"""common.config: defaults, the example file, and what a wrong file is told."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from common import config as configuration
from common.config import Config, load, locate
from common.config_access import Directory
from common.config_gateway import GatewayKernel
from common.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "deploy" / "yuenyan.example.toml"


def _write(folder: Path, text: str) -> Path:
    path = folder / "yuenyan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_means_the_defaults() -> None:
    assert load(None) == Config()


def test_the_example_file_says_exactly_the_defaults() -> None:
    example = load(EXAMPLE)
    assert example.model_copy(update={"source": None}) == Config()


def test_the_example_file_names_every_key() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    sections: dict[str, Any] = {
        name: field.annotation
        for name, field in Config.model_fields.items()
        if name not in ("source", "directory")
    }
    sections["gateway.kernel"] = GatewayKernel
    for name, section in sections.items():
        assert f"[{name}]" in text
        assert issubclass(section, BaseModel)
        part = text.partition(f"[{name}]")[2].partition("\n[")[0]
        for key in (known.alias or key for key, known in section.model_fields.items()):
            if f"{name}.{key}" in sections:
                continue
            assert f"\n{key} = " in part or f"\n# {key} = " in part, f"{name}.{key}"
    part = text.partition("\n# [directory.NAME]")[2]
    for key, field in Directory.model_fields.items():
        assert f"\n# {key} = " in part or f"[directory.NAME.{key}]" in part, f"directory.{key}"
        if field.default not in (None, PydanticUndefined) and key != "groups":
            said = part.partition(f"\n# {key} = ")[2].partition("\n")[0]
            assert tomllib.loads(f"x = {said}")["x"] == field.default, f"directory.{key}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[radius]\nport = 1812", "radius.port: unknown key", id="unknown key"),
        pytest.param("[nonsense]", "nonsense: unknown key", id="unknown section"),
        pytest.param("source = 'x'", "source: unknown key", id="internal key"),
        pytest.param("[site", "is not valid TOML", id="no TOML"),
        pytest.param("[archive]\nretention_days = 30", "archive.retention_days", id="floor"),
        pytest.param("[passwords]\nmemory_kib = 1024", "passwords.memory_kib", id="weak argon2"),
        pytest.param("[site]\ntimezone = 'Bangkok'", "Asia/Bangkok", id="zone"),
        pytest.param("[site]\nlanguages = []", "at least one language", id="languages"),
        pytest.param("[portal]\nlisten = '8080'", "0.0.0.0:1812", id="listen"),
        pytest.param("[database]\nurl = 'mysql://x'", "postgresql+psycopg://", id="scheme"),
        pytest.param("[portal]\ntrusted_proxies = ['10.0.0.1/8']", "trusted_proxies", id="prefix"),
        pytest.param("[eap]\ntls_min='1.3'\ntls_max='1.2'", "tls_min is above", id="tls"),
        pytest.param(
            "[eap]\nmethods=['teap']\ntls_min='1.3'", "teap_tls_max is below", id="teap tls"
        ),
        pytest.param("[eap]\nteap_inner=['tls','tls']", "twice", id="teap twice"),
        pytest.param("[eap]\nteap_identities=[]", "at least 1", id="teap nobody"),
        pytest.param("[archive]\nwitnesses=['usb']", "'usb' is no witness", id="witness"),
        pytest.param("[archive]\nwitnesses=['http://x/']", "is no witness", id="witness in clear"),
        pytest.param("[archive]\nwitnesses=['/usb','/usb']", "named twice", id="witness twice"),
        pytest.param("[archive]\nwitnesses=['tsa+http://x']", "timestamp_ca", id="stamp of nobody"),
        pytest.param("[archive]\nwitnesses=['mailto:a@b.example']", "[mail] host", id="no server"),
        pytest.param("[archive]\nwitnesses=['mailto:a, b@c']", "one mailbox", id="mailboxes"),
        pytest.param("[archive]\nwitnesses=['mailto:a@b?cc=c@d']", "hours=N", id="letter head"),
        pytest.param("[mail]\nhost='mail.example'", "set from to", id="no sender"),
        pytest.param(
            "[mail]\nhost='mail.example'\nfrom='a@b.example'\nstart_tls=false",
            "on this machine",
            id="letters in clear",
        ),
    ],
)
def test_a_wrong_file_is_one_clear_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(_write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value).strip()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[portal]\nworkers = 'two'", "portal.workers: write a whole number, without quotes"),
        ("[portal]\nworkers = 1.5", "portal.workers: write a whole number"),
        ("[portal]\nworkers = []", "portal.workers: write a whole number, without quotes"),
        ("[portal]\nworkers = 0", "portal.workers: give at least 1"),
        ("[portal]\nthreads = 129", "portal.threads: give at most 128"),
        ("[portal]\nlisten = 8080", 'portal.listen: write a text in quotes: "a"'),
        ("[portal]\ntrusted_proxies = '::1'", 'portal.trusted_proxies: write a list: ["a"]'),
        ("[site]\nlanguages = 'th'", 'site.languages: write a list: ["a"]'),
        ("[site]\nlanguages = ['de']", "site.languages.0: write one of: 'th' or 'en'"),
        ("[site]\ndata_dir = 3", 'site.data_dir: write a path in quotes: "/etc/yuenyan/file"'),
        ("[mail]\nstart_tls = 'maybe'", "mail.start_tls: write true or false, without quotes"),
        ("[radius]\nthrottle_longest_seconds = 0", "throttle_longest_seconds: give at least 1"),
        ("[radius]\nthrottle_longest_seconds = 'x'", "_seconds: write a number, without quotes"),
        ("[archive]\nretention_days = 30", "retention_days: the law demands at least 90 days"),
        ("[archive]\nretention_days = 731", "days: the law never orders more than 730 days"),
        ("[[collector.static_nat]]\ninside = '10.0.0.0/8'", "static_nat.0.outside: it is needed"),
        ("portal = 3", "portal: write a section: [NAME], and the keys below it"),
        ("directory = 3", "directory: write a section: [NAME], and the keys below it"),
        ("[lookup]\nconfidentiality = ['one']", "lookup.confidentiality.1: it is needed"),
    ],
)
def test_a_wrong_value_is_told_what_would_do(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(_write(tmp_path, text))
    assert str(caught.value).endswith(sentence)


def test_a_file_that_notepad_saved_with_a_mark_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "yuenyan.toml"
    path.write_bytes("\ufeff[site]\r\nname = 'โรงเรียน'\r\n".encode())
    assert load(path).site.name == "โรงเรียน"


@pytest.mark.parametrize("encoding", ["cp874", "utf-16"])
def test_a_file_in_another_encoding_is_told_to_be_saved_as_utf_8(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "yuenyan.toml"
    path.write_bytes("[site]\nname = 'โรงเรียน'\n".encode(encoding))
    with pytest.raises(ConfigError, match="save the file as UTF-8"):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load(tmp_path / "none.toml")


def test_the_file_is_found_by_option_then_environment_then_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate(None) is None
    _write(tmp_path, "")
    assert locate(None) == Path("yuenyan.toml")
    monkeypatch.setenv("YUENYAN_CONFIG", "from-environment.toml")
    assert locate(None) == Path("from-environment.toml")
    assert locate("option.toml") == Path("option.toml")


def test_the_database_url_comes_from_environment_key_file_or_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Config(site=configuration.Site(data_dir=tmp_path))
    assert plain.database_url == f"sqlite:///{tmp_path / 'yuenyan.db'}"
    assert plain.is_sqlite

    secret = tmp_path / "url"
    secret.write_text("postgresql+psycopg://x@y/z\n", encoding="utf-8")
    by_file = Config(database=configuration.Database(url_file=secret))
    assert by_file.database_url == "postgresql+psycopg://x@y/z"
    assert not by_file.is_sqlite

    monkeypatch.setenv("YUENYAN_DATABASE_URL", "sqlite:////elsewhere.db")
    assert by_file.database_url == "sqlite:////elsewhere.db"


def test_a_url_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    config = Config(database=configuration.Database(url_file=tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"database\.url_file"):
        assert config.database_url
