"""Prints 10,000 vouchers to one PDF, and tells rate, size and memory.

    python bench/vouchers.py [--count 10000] [--layout 24]

Everything of a real print: codes that were issued in a database of its own, decrypted, with a QR
code each and one for the Wi-Fi, in Thai and English.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from captive_portal.slips.layouts import LAYOUTS
from captive_portal.slips.pdf import slips_pdf
from captive_portal.slips.sheets import parts_of
from captive_portal.slips.wording import Sheet
from common.config import Config
from db.models import VoucherBatch
from identity.domain.vouchers import MAXIMUM_BATCH, Terms
from identity.office import Office
from identity.services import vouchers
from yuenyan.initialise import initialise

TARGET_SECONDS = 60.0
PORTAL = "https://wifi.office.example"


def main() -> None:
    """Measure, and fail beyond the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--layout", choices=list(LAYOUTS), default="24")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, octets, issued = measure(Path(folder), chosen.count, chosen.layout)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'vouchers':>9} {'issued in':>10} {'PDF in':>8} {'rate':>8} {'size':>9} {'memory':>8}")
    print(
        f"{chosen.count:>9,} {issued:>9.1f}s {seconds:>7.1f}s {chosen.count / seconds:>6,.0f}/s"
        f" {octets / 1e6:>6.1f} MB {memory:>5.0f} MB"
    )
    if chosen.count >= 10_000 and seconds > TARGET_SECONDS:
        raise SystemExit(f"10,000 vouchers took longer than {TARGET_SECONDS:.0f} s")


def measure(folder: Path, count: int, layout: str) -> tuple[float, int, float]:
    """Seconds and octets of the PDF, and the seconds that issuing took."""
    config = Config.model_validate(
        {
            "site": {"data_dir": folder / "var", "name": "สำนักงานเขตพื้นที่การศึกษาตัวอย่าง"},
            "vouchers": {"wifi_ssid": "Guests", "wifi_security": "nopass"},
        }
    )
    initialise(config, "admin", "a password for the bench")
    office = Office.open(config)
    begun = time.perf_counter()
    batches = []
    with office.database.write() as session:
        for start in range(0, count, MAXIMUM_BATCH):
            terms = Terms(
                count=min(MAXIMUM_BATCH, count - start),
                language="both",
                quota_mb=500,
                hard_expiry=office.clock() + timedelta(days=30),
            )
            batches.append(vouchers.issue(session, office, terms, "admin")[0].id)
    issued = time.perf_counter() - begun
    begun = time.perf_counter()
    with office.database.read() as session:
        parts: list[tuple[Sheet, list[str]]] = []
        for number in batches:
            rows = vouchers.codes_of(session, office, number, only_unused=True)
            sheet = session.get_one(VoucherBatch, number)
            parts += parts_of(config, sheet, PORTAL, rows)
    printed = slips_pdf(parts, LAYOUTS[layout])
    seconds = time.perf_counter() - begun
    office.database.dispose()
    return seconds, len(printed), issued


if __name__ == "__main__":
    main()
