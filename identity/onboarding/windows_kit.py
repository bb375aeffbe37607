"""Windows: the ZIP with the CA, the profiles and two scripts that install them.

`install.cmd` needs no administrator: CA and Wi-Fi are the user's own. The wire belongs to the
machine, so `install-wired.cmd` asks to be run by an administrator.
"""

from __future__ import annotations

import io
import zipfile

from identity.onboarding import windows
from identity.onboarding.profile import Method, Profile, fingerprint

MIME = "application/zip"

_EPOCH = (2020, 1, 1, 0, 0, 0)
"""Of each file in the ZIP: the same profile is the same octets."""
_WIRED = "wired.xml"
_CLIENT = "client.p12"

_HEAD = """\
@echo off
chcp 65001 >nul
cd /d "%~dp0"
if not exist ca-1.cer (
  echo แตกไฟล์ ZIP ออกก่อน แล้วเปิดไฟล์นี้จากโฟลเดอร์ที่แตกออกมา
  echo Extract the ZIP first, then open this file from the extracted folder.
  pause
  exit /b 1
)
"""
_DONE = """\
echo.
echo เสร็จแล้ว เลือกเครือข่ายแล้วกรอกชื่อผู้ใช้และรหัสผ่านครั้งเดียว
echo Done. Choose the network and enter user name and password once.
"""
_DONE_WITH_CERTIFICATE = """\
echo.
echo เสร็จแล้ว เลือกเครือข่ายได้เลย
echo Done. Choose the network.
"""
_TAIL = """\
pause
exit /b 0
:failed
echo.
echo ติดตั้งไม่สำเร็จ ดูข้อความด้านบน แล้วแจ้งเจ้าหน้าที่
echo It did not work. See the text above and tell the staff.
pause
exit /b 1
"""
_ADMINISTRATOR = """\
net session >nul 2>&1
if errorlevel 1 (
  echo คลิกขวาที่ไฟล์นี้ แล้วเลือก "เรียกใช้ในฐานะผู้ดูแลระบบ"
  echo Right-click this file and choose "Run as administrator".
  pause
  exit /b 1
)
"""


def write(profile: Profile) -> bytes:
    """The ZIP. With a client certificate its PKCS#12 file is in it; Windows asks its password."""
    files = {f"ca-{number}.cer": one.der for number, one in enumerate(profile.anchors, 1)}
    wlans = {
        f"wifi-{number}.xml": windows.write_wlan(profile, ssid)
        for number, ssid in enumerate(profile.ssids, 1)
    }
    files |= wlans
    if profile.method is Method.TLS and profile.client is not None:
        files[_CLIENT] = profile.client.pkcs12
    files["install.cmd"] = _install(profile, list(wlans))
    if profile.wired:
        files[_WIRED] = windows.write_lan(profile)
        files["install-wired.cmd"] = _install_wired(profile)
    files["README.txt"] = _readme(profile)
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return octets.getvalue()


def _install(profile: Profile, wlans: list[str]) -> bytes:
    lines = [
        "echo Windows จะถามว่าจะติดตั้งใบรับรองหรือไม่ ให้เทียบรหัส SHA-1 ก่อนตอบ ใช่",
        "echo Windows asks about the certificate; compare its thumbprint before you say yes:",
    ]
    for number, anchor in enumerate(profile.anchors, 1):
        lines.append(f"echo   SHA-1 {anchor.sha1.hex(' ').upper()}")
        lines += _or_fail(f"certutil -user -addstore Root ca-{number}.cer")
    if profile.method is Method.TLS:
        lines += _or_fail(f"certutil -user -importpfx {_CLIENT} NoRoot")
    for name in wlans:
        lines += _or_fail(f'netsh wlan add profile filename="{name}" user=current')
    return _script(_HEAD, lines, profile)


def _install_wired(profile: Profile) -> bytes:
    lines = [
        # It is not started by itself, and without it the wire knows no 802.1X.
        *_or_fail("sc config dot3svc start= auto"),
        "net start dot3svc >nul 2>&1",
    ]
    for number in range(1, len(profile.anchors) + 1):
        lines += _or_fail(f"certutil -addstore Root ca-{number}.cer")
    lines += _or_fail(f'netsh lan add profile filename="{_WIRED}" interface="*"')
    return _script(_HEAD + _ADMINISTRATOR, lines, profile)


def _or_fail(command: str) -> list[str]:
    return [command, "if errorlevel 1 goto failed"]


def _script(head: str, lines: list[str], profile: Profile) -> bytes:
    done = _DONE_WITH_CERTIFICATE if profile.method is Method.TLS else _DONE
    text = head + "\n".join(lines) + "\n" + done + _TAIL
    return text.replace("\n", "\r\n").encode()


def _readme(profile: Profile) -> bytes:
    lines = [
        profile.names["th"],
        profile.names["en"],
        "",
        "1. แตกไฟล์ ZIP  2. เปิด install.cmd  3. เลือกเครือข่าย กรอกชื่อผู้ใช้และรหัสผ่าน",
        "1. Extract the ZIP  2. Open install.cmd  3. Choose the network, enter name and password",
        "",
        f"SSID: {', '.join(profile.ssids) or '-'}",
        f"Server: {', '.join(profile.server_names)}",
    ]
    for anchor in profile.anchors:
        lines += [f"CA: {anchor.title}", f"  SHA-256 {fingerprint(anchor.sha256)}"]
        lines += [f"  SHA-1   {fingerprint(anchor.sha1)}"]
    return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()
