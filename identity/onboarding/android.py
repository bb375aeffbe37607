"""Android: what to put into the Wi-Fi settings by hand, in the order of its form.

Since Android 11 a CA and a domain must be given; nothing on the phone reads an EAP network
from a QR code, so codes lead to the page with this sheet and never hold a password.
"""

from __future__ import annotations

from dataclasses import dataclass

from identity.onboarding.profile import Method, Profile

_EAP = {Method.TTLS_PAP: "TTLS", Method.PEAP_MSCHAPV2: "PEAP", Method.TLS: "TLS"}
_PHASE_2 = {Method.TTLS_PAP: "PAP", Method.PEAP_MSCHAPV2: "MSCHAPV2", Method.TLS: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The fields of the form. An empty one is not there, or is for the user to fill in."""

    eap_method: str
    phase_2: str
    ca_certificate: str
    """The name that the CA is to be installed under."""
    user_certificate: str
    """The name that the client certificate is to be installed under."""
    domain: str
    identity: str
    anonymous_identity: str


def settings(profile: Profile) -> Settings:
    """The form's values for `profile`."""
    tls = profile.method is Method.TLS
    return Settings(
        eap_method=_EAP[profile.method],
        phase_2=_PHASE_2[profile.method],
        ca_certificate=profile.slug,
        user_certificate=profile.slug if tls else "",
        domain=profile.domain,
        identity=profile.outer_identity if tls else profile.username,
        anonymous_identity="" if tls else profile.outer_identity,
    )


def write(profile: Profile) -> bytes:
    """The sheet as a text in Thai and English."""
    values = settings(profile)
    lines = [
        profile.names["th"],
        profile.names["en"],
        "",
        f"SSID: {', '.join(profile.ssids)}",
        f"วิธี EAP / EAP method: {values.eap_method}",
    ]
    if values.phase_2:
        lines.append(f"การตรวจสอบสิทธิ์เฟส 2 / Phase 2 authentication: {values.phase_2}")
    lines += [
        f"ใบรับรอง CA / CA certificate: {values.ca_certificate} ({profile.slug}-ca-1.cer)",
        *(
            [f"ใบรับรองผู้ใช้ / User certificate: {values.user_certificate}"]
            if not values.phase_2
            else []
        ),
        f"โดเมน / Domain: {values.domain}",
        f"ข้อมูลระบุตัวตน / Identity: {values.identity or 'ชื่อผู้ใช้ของท่าน / your user name'}",
    ]
    if values.anonymous_identity:
        lines.append(f"ข้อมูลระบุตัวตนแบบไม่ระบุชื่อ / Anonymous identity: {values.anonymous_identity}")
        lines.append("รหัสผ่าน / Password: รหัสผ่านของท่าน / your password")
    return ("\n".join(lines) + "\n").encode()
