"""What witnesses are sent: the octets of a message about some seals. Sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from zoneinfo import ZoneInfo

from common.clock import utc_now
from traffic.archive.entries import canonical
from traffic.archive.seals import Seal, encode_seal, seal_tree

FORMAT = "yuenyan-seals-1"

_TEXT = """\
เรียน ผู้เก็บรักษาหลักฐาน

แนบสำเนาตราประทับของคลังข้อมูลจราจรคอมพิวเตอร์ "{site}" ลำดับที่ {first} ถึง {last}
({at})
โปรดเก็บอีเมลฉบับนี้ไว้โดยไม่ต้องเปิดหรือแก้ไขไฟล์แนบ และอย่าส่งต่อให้ผู้ดูแลระบบเก็บแทน
เมื่อมีการตรวจสอบ สำเนานี้จะแสดงว่าข้อมูลที่จัดเก็บไว้ถูกแก้ไขภายหลังหรือไม่
ในตราประทับไม่มีข้อมูลส่วนบุคคล

Attached is a copy of the seals {first} to {last} of the traffic archive "{site}".
Please keep this letter as it is, out of reach of whoever runs the system. Should the records
ever be questioned, it shows whether they were changed after this day. It holds nothing about
any person.
"""


def make_post(site: str, public_key: str, seals: Sequence[Seal]) -> bytes:
    """One line of JSON; a witness that appends it to a file keeps a copy verify can read."""
    tree = {
        "format": FORMAT,
        "site": site,
        "public_key": public_key,
        "seals": [seal_tree(seal) for seal in seals],
    }
    return canonical(tree) + b"\n"


def make_letter(
    site: str, zone: str, sender: str, receiver: str, seals: Sequence[Seal], first: int
) -> EmailMessage:
    """A letter with the seals attached; `first` is the number of the first of them."""
    last = first + len(seals) - 1
    sealed_at = datetime.fromtimestamp(seals[-1].at_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    letter = EmailMessage()
    letter["From"] = sender
    letter["To"] = receiver
    letter["Subject"] = f"[Yuenyan] {site}: ตราประทับ / seals {first}-{last}"
    letter["Date"] = format_datetime(utc_now())
    letter["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday note comes back
    letter.set_content(
        _TEXT.format(site=site, first=first, last=last, at=sealed_at.isoformat(timespec="seconds"))
    )
    letter.add_attachment(
        b"".join(encode_seal(seal) + b"\n" for seal in seals),
        maintype="application",
        subtype="jsonl",
        filename=f"seals-{first}-{last}.jsonl",
    )
    return letter
