"""README.txt of a bundle: what lies where, and how to check it without us."""

README = """\
แฟ้มพยานหลักฐานดิจิทัล / A bundle of digital evidence
======================================================

MANIFEST.json        รายการทุกแฟ้มพร้อม SHA-256 เรื่อง/คดี ขอบเขต และรุ่นของโปรแกรม
                     every item with its SHA-256, case, scope, program version
MANIFEST.sig         ลายมือชื่อดิจิทัล Ed25519 ของ MANIFEST.json / its Ed25519 signature
evidence-key.pem     กุญแจสาธารณะ / the public key
SHA256SUMS           SHA-256 ของทุกแฟ้ม ใช้กับ sha256sum / for sha256sum
letter/              หนังสือส่ง และแบบบันทึกการส่งต่อ / cover letter and custody form
lookup/              คำตอบของการค้นหา / the whole answer of each look-up
records/             ระเบียนข้อมูล (JSON Lines และ CSV) / records; times are RFC 3339
raw/                 ข้อมูลดิบตามที่ได้รับ / octets as received; flows with every stored column
proofs/              หลักฐานว่าข้อมูลอยู่ใต้ตราปิดผนึก / from each segment's line to its seal
reports/             รายงานนาฬิกา และรายงานข้อมูลขาดหาย / clocks, and what is missing
verify.py            โปรแกรมตรวจสอบ / the check

วิธีตรวจสอบ / How to check
--------------------------
1. ใช้ verify.py ที่ได้จากแหล่งที่เชื่อถือได้ ไม่ใช่แฟ้มที่อยู่ในชุดนี้
   Take verify.py from a source you trust, not out of this bundle:
       python3 -I verify.py BUNDLE.zip
2. เทียบลายนิ้วมือกุญแจกับที่พิมพ์ในหนังสือส่งที่ลงนามแล้ว
   Compare the fingerprint of the key with the one in the signed letter.
3. หรือตรวจเองด้วยเครื่องมือทั่วไป / Or with common tools, after unpacking:
       openssl pkeyutl -verify -pubin -inkey evidence-key.pem -rawin \\
               -in MANIFEST.json -sigfile MANIFEST.sig
       sha256sum --check --strict SHA256SUMS

ข้อจำกัด / What it does not prove
---------------------------------
* ระเบียนระบุบัญชีหรืออุปกรณ์ ไม่ใช่ตัวบุคคลที่ใช้อุปกรณ์ในขณะนั้น
  A record names an account or a device, not who was at it.
* ระเบียนที่อ้างถึง segment (flow: nat: lease: access: session:) มีตราปิดผนึกคุ้มครองทั้ง segment
  A record that cites a segment is a copy of one row of it. The proofs show that the whole
  segment, named by its SHA-256, lay under a seal of that time; the segment itself stays with the
  office, and a court may have the row compared with it.
* ระเบียนจากฐานข้อมูล (accounting_event: network_session: ...) มีเพียงลายมือชื่อของแฟ้มชุดนี้
  A record of the database rests on the signature of this bundle alone.
* ใน CSV ช่องที่ขึ้นต้นด้วย = + - @ มีเครื่องหมาย ' นำหน้า
  In CSV a cell that begins with = + - @ has an apostrophe before it; JSON Lines have it as it was.
"""
