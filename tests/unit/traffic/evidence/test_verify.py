"""Every way to tamper with a bundle must be noticed, and the first bad item named."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.programs import require
from tests.unit.traffic.evidence.bundles import (
    key_of,
    pack,
    read_items,
    sha256,
    sign_again,
    small_bundle,
)
from traffic.evidence import verify

VERIFIER = Path(verify.__file__)
FIRST_LEASE = "records/leases.jsonl"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    return small_bundle(folder)


def complaint(path: Path, public_key: bytes | None = None) -> str:
    """The item that is named, or nothing when the bundle is whole."""
    try:
        verify.check(str(path), public_key)
    except verify.Altered as error:
        assert error.item in str(error)
        return error.item
    return ""


def rebuilt(tmp_path: Path, items: dict[str, bytes]) -> Path:
    return pack(tmp_path / "altered.zip", sorted(items.items()))


def test_a_whole_bundle_is_found_whole(bundle: Path) -> None:
    report = verify.check(str(bundle))
    assert report["ok"] is True
    assert report["case"] == "คดี 12/2569"
    assert (report["records"], report["records_under_seal"]) == (3, 2)
    assert report["segments_proven"] == 2
    assert report["items"] == 11


def test_other_tools_read_the_bundle_too(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == sorted(opened.namelist())
        assert {entry.date_time for entry in opened.infolist()} == {(2026, 11, 18, 11, 6, 40)}
        opened.extractall(tmp_path)
    sums = [line.split("  ") for line in (tmp_path / "SHA256SUMS").read_text().splitlines()]
    assert len(sums) == 7
    for digest, name in sums:
        assert sha256((tmp_path / name).read_bytes()) == digest


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_octet_of_the_file_can_be_changed(
    bundle: Path, tmp_path: Path, data: st.DataObject
) -> None:
    octets = bytearray(bundle.read_bytes())
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    altered = tmp_path / "flipped.zip"
    altered.write_bytes(octets)
    assert complaint(altered) != ""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_can_be_cut_off_or_put_in(
    bundle: Path, tmp_path: Path, data: st.DataObject
) -> None:
    octets = bundle.read_bytes()
    begin = data.draw(st.integers(0, len(octets)))
    end = data.draw(st.integers(begin, len(octets)))
    more = data.draw(st.binary(max_size=4))
    altered = octets[:begin] + more + octets[end:]
    (tmp_path / "cut.zip").write_bytes(altered)
    assert (complaint(tmp_path / "cut.zip") != "") == (altered != octets)


def test_every_bit_of_what_the_signature_rests_on_counts(bundle: Path, tmp_path: Path) -> None:
    items = read_items(bundle)
    for name in (verify.SIGNATURE, verify.KEY):
        for place in range(len(items[name])):
            octets = bytearray(items[name])
            octets[place] ^= 0x20
            assert complaint(rebuilt(tmp_path, {**items, name: bytes(octets)})) in (
                name,
                verify.MANIFEST,
            )


def test_an_altered_item_is_named_even_when_the_container_was_made_anew(
    bundle: Path, tmp_path: Path
) -> None:
    items = read_items(bundle)
    for name in items:
        octets = items[name] + b"x"
        named = complaint(rebuilt(tmp_path, {**items, name: octets}))
        signed = {verify.SIGNATURE: verify.MANIFEST}
        assert named == signed.get(name, name)


def test_items_that_are_removed_added_renamed_doubled_or_reordered_are_named(
    bundle: Path, tmp_path: Path
) -> None:
    items = read_items(bundle)
    for name in items:
        left = {other: octets for other, octets in items.items() if other != name}
        assert complaint(rebuilt(tmp_path, left)) == name
    assert complaint(rebuilt(tmp_path, {**items, "records/more.jsonl": b""})) == (
        "records/more.jsonl"
    )
    ordered = sorted(items.items())
    swapped = [ordered[1], ordered[0], *ordered[2:]]
    assert complaint(pack(tmp_path / "x.zip", swapped)) == ordered[0][0]
    assert complaint(pack(tmp_path / "x.zip", [ordered[0], *ordered])) == ordered[0][0]


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a//b", ".hidden", "a\\b", "ก.txt"])
def test_a_name_that_would_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "name.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(name, b"")
    with pytest.raises(verify.Altered, match="not the name of an item"):
        verify.check(str(path))


def test_another_time_of_the_container_is_refused(bundle: Path, tmp_path: Path) -> None:
    items = sorted(read_items(bundle).items())
    assert complaint(pack(tmp_path / "time.zip", items, 1_700_000_000_000)) == verify.MANIFEST


def test_a_key_and_signature_put_in_their_place_are_caught_by_the_key_or_its_fingerprint(
    bundle: Path, tmp_path: Path
) -> None:
    items = read_items(bundle)
    items[FIRST_LEASE] = items[FIRST_LEASE].replace(b"k1", b"k2")
    forged = rebuilt(tmp_path, sign_again(items, key_of(9)))
    real = verify.check(str(bundle))
    report = verify.check(str(forged))
    assert report["fingerprint"] != real["fingerprint"]
    assert report["key_was_given"] is False
    assert complaint(forged, bytes.fromhex(real["key"])) == verify.KEY
    assert verify.check(str(bundle), bytes.fromhex(real["key"]))["key_was_given"] is True


def forge(bundle: Path, tmp_path: Path, item: str, old: bytes, new: bytes) -> str:
    """The complaint about an item altered by somebody who holds the signing key itself."""
    items = read_items(bundle)
    assert old in items[item]
    items[item] = items[item].replace(old, new, 1)
    return complaint(rebuilt(tmp_path, sign_again(items, key_of(9))))


def test_proofs_hold_against_whoever_holds_the_key_of_the_bundle(
    bundle: Path, tmp_path: Path
) -> None:
    for item, old, new in (
        (verify.LINES, b'"records":1', b'"records":2'),
        (verify.LINES, b'"seq":2', b'"seq":9'),
        (verify.SEALS, b'"at_ms":17', b'"at_ms":16'),
        (verify.SEALS, b'"seq":4', b'"seq":5'),
        (verify.SEGMENTS, b'"seal": 3', b'"seal": 2'),
        (verify.SEGMENTS, b'"chain"', b'"faith"'),
        (verify.SEAL_KEY, b"MCow", b"MCox"),
        (FIRST_LEASE, b"lease/date", b"lease/dote"),
        (FIRST_LEASE, b'"raw_sha256": "', b'"raw_sha256": "0'),
    ):
        assert forge(bundle, tmp_path, item, old, new) != "", (item, old)


def test_garbage_under_a_good_signature_is_a_refusal_and_not_a_crash(
    bundle: Path, tmp_path: Path
) -> None:
    items = read_items(bundle)
    for name in (verify.SEGMENTS, verify.LINES, verify.SEALS, FIRST_LEASE):
        for octets in (b"[" * 100_000 + b"\n", b"\xff\n", b"7\n", b"{}\n", b'{"seq":"\\ud800"}\n'):
            altered = sign_again({**items, name: octets}, key_of(9))
            assert complaint(rebuilt(tmp_path, altered)) != "", (name, octets[:9])


def run_alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The verifier by itself in a folder where nothing else is, without any package."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", *arguments],
        cwd=folder,
        env={"PATH": "/nowhere", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_one_file_works_on_a_clean_machine(bundle: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    shutil.copy(VERIFIER, clean / "verify.py")
    shutil.copy(bundle, clean / "bundle.zip")
    whole = run_alone(clean, "bundle.zip", "--json")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert json.loads(whole.stdout) == verify.check(str(bundle))
    said = run_alone(clean, "bundle.zip")
    assert "The bundle is whole" in said.stdout and "Compare it" in said.stdout
    items = read_items(bundle)
    pack(clean / "bad.zip", sorted({**items, FIRST_LEASE: b"{}\n"}.items()))
    bad = run_alone(clean, "bad.zip")
    assert bad.returncode == 1
    assert "NOT whole" in bad.stderr and FIRST_LEASE in bad.stderr
    assert json.loads(run_alone(clean, "bad.zip", "--json").stdout)["item"] == FIRST_LEASE
    (clean / "key.pem").write_bytes(verify.pem(key_of(9).public))
    assert run_alone(clean, "bundle.zip", "--public-key", "key.pem").returncode == 1
    assert run_alone(clean, "nothing.zip").returncode == 2
    assert run_alone(clean, "bundle.zip", "--public-key", "bundle.zip").returncode == 2
    assert run_alone(clean).returncode == 2


def test_letters_that_the_terminal_lacks_do_not_make_a_whole_bundle_altered(bundle: Path) -> None:
    command = [sys.executable, "-S", str(VERIFIER), str(bundle)]
    said = subprocess.run(
        command, env={"PYTHONIOENCODING": "cp1252"}, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert "12/2569" in said.stdout and "Signed with the key" in said.stdout


def test_what_a_forger_writes_as_the_case_prints_no_fingerprint_of_its_own(
    bundle: Path, tmp_path: Path
) -> None:
    items = read_items(bundle)
    office = json.loads(items[verify.MANIFEST])["public_key"]
    forged = f"12/2569\nSigned with the key {office}\x1b[8m\u202e"
    manifest = json.loads(items[verify.MANIFEST]) | {"case": forged}
    items[verify.MANIFEST] = json.dumps(manifest).encode()
    report = verify.check(str(rebuilt(tmp_path, sign_again(items, key_of(9)))))
    lines = "\n".join(verify.explain(report)).split("\n")
    (signed,) = [line for line in lines if line.startswith("Signed with the key")]
    assert signed.endswith(verify.fingerprint(key_of(9).public))
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("created_ms", [1e400, 10**30, -(10**30)])
def test_a_time_that_no_calendar_has_is_a_complaint(
    bundle: Path, tmp_path: Path, created_ms: float
) -> None:
    items = read_items(bundle)
    manifest = json.loads(items[verify.MANIFEST]) | {"created_ms": created_ms}
    items[verify.MANIFEST] = json.dumps(manifest).encode()
    assert complaint(rebuilt(tmp_path, sign_again(items, key_of(9)))) == verify.MANIFEST


def test_the_one_file_is_written_for_old_interpreters() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= set(sys.stdlib_module_names)
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not called & {"removeprefix", "removesuffix", "bit_count", "UTC", "pairwise"}


@pytest.mark.real
def test_openssl_and_sha256sum_come_to_the_same_result(bundle: Path, tmp_path: Path) -> None:
    openssl, sums = require("openssl", "openssl"), require("sha256sum", "coreutils")
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(tmp_path)

    def signed() -> bool:
        command = f"{openssl} pkeyutl -verify -pubin -inkey {verify.KEY} -rawin"
        command += f" -in {verify.MANIFEST} -sigfile {verify.SIGNATURE}"
        return subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode == 0

    def summed() -> bool:
        command = [sums, "--check", "--strict", "--quiet", verify.SUMS]
        return subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0

    der = [openssl, "pkey", "-pubin", "-in", verify.KEY, "-outform", "DER"]
    told = subprocess.run(der, cwd=tmp_path, capture_output=True, check=True).stdout
    assert verify.check(str(bundle))["fingerprint"].replace(" ", "") == sha256(told[-32:])
    assert signed() and summed()
    (tmp_path / FIRST_LEASE).write_bytes(b"{}\n")
    assert signed() and not summed()
    with (tmp_path / verify.MANIFEST).open("ab") as stream:
        stream.write(b" ")
    assert not signed()
