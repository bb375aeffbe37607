"""MS-CHAPv2 at Active Directory through Samba's `ntlm_auth`, which asks winbind.

The program is given a challenge and a response and says whether they fit, and the session
key if they do. It runs for one proof at a time; no password passes through it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from common.errors import BackendUnavailable
from identity.domain.directory import Answer, NtProof

_KEY = re.compile(r"^NT_KEY: ([0-9A-Fa-f]{32})\s*$", re.MULTILINE)
_STATUS = re.compile(r"\(?(0xc0[0-9a-f]{6})\)?", re.IGNORECASE)

_ANSWERS = {
    "0xc0000064": Answer.WRONG,  # NO_SUCH_USER
    "0xc000006a": Answer.WRONG,  # WRONG_PASSWORD
    "0xc000006d": Answer.WRONG,  # LOGON_FAILURE
    "0xc0000234": Answer.LOCKED,  # ACCOUNT_LOCKED_OUT
    "0xc0000072": Answer.DISABLED,  # ACCOUNT_DISABLED
    "0xc0000193": Answer.EXPIRED,  # ACCOUNT_EXPIRED
    "0xc0000071": Answer.PASSWORD_EXPIRED,  # PASSWORD_EXPIRED
    "0xc0000224": Answer.PASSWORD_EXPIRED,  # PASSWORD_MUST_CHANGE
}
"""NTSTATUS values of [MS-ERREF] section 2.3.1, without their prefix STATUS_."""


def prove(command: Sequence[str], username: str, proof: NtProof, seconds: int) -> Answer | bytes:
    """MD4 of the NT hash when the proof is good, else what is wrong with it.

    Args:
        command: the program, and options such as `--domain=SCHOOL`.

    Raises:
        BackendUnavailable: the program, winbind or the domain controller does not answer.
    """
    arguments = [
        *command,
        "--allow-mschapv2",
        "--request-nt-key",
        f"--username={username}",
        f"--challenge={proof.challenge.hex()}",
        f"--nt-response={proof.response.hex()}",
    ]
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own program, without a shell
            arguments, check=False, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        why = error.strerror if isinstance(error, OSError) else "it does not answer"
        raise BackendUnavailable("ntlm_auth", f"{command[0]}: {why}") from error
    told = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
    key = _KEY.search(told)
    if done.returncode == 0 and key is not None:
        return bytes.fromhex(key[1])
    for status in _STATUS.findall(told):
        answer = _ANSWERS.get(status.lower())
        if answer is not None:
            return answer
    raise BackendUnavailable("ntlm_auth", " ".join(told.split())[:200] or "it says nothing")
