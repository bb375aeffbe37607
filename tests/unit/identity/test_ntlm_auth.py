"""identity.stores.ntlm_auth: what the helper program says, and when it says nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from common.errors import BackendUnavailable
from identity.domain.directory import Answer, NtProof
from identity.stores.ntlm_auth import prove

PROOF = NtProof(bytes(range(8)), bytes(range(24)))


def _helper(folder: Path, body: str) -> list[str]:
    path = folder / "helper.py"
    path.write_text(f"import sys, time\n{body}\n", encoding="utf-8")
    return [sys.executable, str(path), "--domain=LAB"]


def test_a_good_proof_brings_the_key_and_the_program_sees_the_proof_alone(tmp_path: Path) -> None:
    noted = tmp_path / "arguments"
    body = (
        f"open({str(noted)!r}, 'w').write('\\n'.join(sys.argv[1:]))\nprint('NT_KEY: ' + 'aB' * 16)"
    )
    assert prove(_helper(tmp_path, body), "-x; rm", PROOF, 5) == b"\xab" * 16
    assert noted.read_text().splitlines() == [
        "--domain=LAB",
        "--allow-mschapv2",
        "--request-nt-key",
        "--username=-x; rm",
        "--challenge=0001020304050607",
        f"--nt-response={bytes(range(24)).hex()}",
    ]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("The attempted logon is invalid. (0xc000006d)", Answer.WRONG),
        ("Account locked out (0xC0000234)", Answer.LOCKED),
        ("Account disabled (0xc0000072)", Answer.DISABLED),
        ("Must change (0xc0000224)", Answer.PASSWORD_EXPIRED),
    ],
)
def test_a_refusal_says_why(tmp_path: Path, said: str, answer: Answer) -> None:
    assert prove(_helper(tmp_path, f"print({said!r}); sys.exit(1)"), "a", PROOF, 5) is answer


@pytest.mark.parametrize(
    "body",
    [
        "print('Reading winbind reply failed! (0xc0000001)'); sys.exit(1)",
        "print('NT_KEY: ' + 'ab' * 16); sys.exit(1)",
        "print('NT_KEY: abcd')",
        "time.sleep(30)",
        "",
    ],
)
def test_anything_else_is_an_outage(tmp_path: Path, body: str) -> None:
    with pytest.raises(BackendUnavailable):
        prove(_helper(tmp_path, body), "a", PROOF, 1)


def test_a_program_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="No such file"):
        prove([str(tmp_path / "nothing")], "a", PROOF, 1)
