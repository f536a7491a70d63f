"""Prints what a read writes to the card, by cause: while the card fills, and when each read needs the room of another.

The pictures are those of the simulated road; time is simulated, so that an hour of keeping takes seconds.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from wear_kit import Card, Wear, open_card

from anpr_node.config import Settings, parse
from anpr_node.drivers.platform import open_platform
from anpr_node.errors import FrameTimeout
from anpr_node.pipeline import Pipeline
from anpr_node.records import Evidence
from anpr_node.store.encrypting import encrypt
from anpr_node.vision.reader import PlateReader

PICTURES = 12
FPS = 3.0
READS_A_DAY = 30_000
SECTOR_BYTES = 512


def main() -> None:
    """Fill a card beyond its quota, and count before and after."""
    logging.disable(logging.WARNING)  # that the record is full is what is wanted
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the state folder is made and removed again")
    parser.add_argument("--quota-mb", type=int, default=50, help="the card is full at so much (default 50)")
    parser.add_argument("--reads", type=int, default=300, help="so many are counted of each kind (default 300)")
    parser.add_argument("--encrypted", action="store_true", help="of an encrypted store")
    parser.add_argument("--light", choices=["night", "day"], default="night", help="of the pictures (default night)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-wear-", dir=options.folder))
    store = {"folder": str(folder), "quota_mb": options.quota_mb, "free_mb_min": 10}
    settings = parse({"camera": {"fps": FPS, "light": options.light}, "store": store}, "bench")
    try:
        pictures = road_pictures(settings)
        if options.encrypted:
            encrypt(folder, folder / "bench.key")
        with open_card(settings) as card:
            show("the card fills", *measure(card, options.reads, pictures, folder), options.folder)
            card.take(fill_reads(card, folder, options.quota_mb), pictures)
            show("the card is full", *measure(card, options.reads, pictures, folder), options.folder)
            print(f"the log was {card.log_bytes_max / 1e6:.1f} MB at most")
    finally:
        shutil.rmtree(folder)


def road_pictures(settings: Settings) -> list[Evidence]:
    """The pictures of some passages of the simulated road."""
    platform = open_platform(settings, realtime=False)
    pipeline = Pipeline(PlateReader(settings.models_folder, settings.models.threads), platform.clock, settings)
    found: list[Evidence] = []
    platform.start(settings.camera)
    try:
        while len(found) < PICTURES:
            with suppress(FrameTimeout):  # between two pulses so far apart
                frame = platform.camera.capture()
                assert frame is not None
                found += [ripe.evidence for ripe in pipeline.process(frame)]
    finally:
        platform.close()
    return found


def fill_reads(card: Card, folder: Path, quota_mb: int) -> int:
    """How many reads make the card full, and a fifth more."""
    used = sum(file.stat().st_size for file in folder.iterdir() if file.suffix == ".sqlite")
    return max(0, round((quota_mb * 1.2 * 1e6 - used) / (used / card.reads)))


def measure(card: Card, reads: int, pictures: list[Evidence], folder: Path) -> tuple[Wear, float]:
    """What some reads write; and, by the kernel's count, what the device took a read."""
    os.sync()
    before = sectors(folder)
    wear = card.take(reads, pictures)
    os.sync()
    return wear, (sectors(folder) - before) * SECTOR_BYTES / reads


def sectors(folder: Path) -> int:
    """Sectors written to the device that a folder lies on; 0 where the kernel does not say."""
    device = folder.stat().st_dev
    stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    return int(stat.read_text("ascii").split()[6]) if stat.exists() else 0


def show(title: str, wear: Wear, device_bytes: float, chosen: Path | None) -> None:
    causes = wear.a_read()
    total = sum(causes.values())
    print(f"{title}: {wear.picture_bytes / wear.reads:,.0f} bytes of pictures a read")
    for cause, n in causes.items():
        print(f"  {cause:<26}{n:>9,.0f} bytes a read")
    print(f"  {'together':<26}{total:>9,.0f} bytes a read, {total * READS_A_DAY / 1e9:5.2f} GB a day of {READS_A_DAY}")
    if chosen is not None:
        print(f"  {'on the device':<26}{device_bytes:>9,.0f} bytes a read, {device_bytes * READS_A_DAY / 1e9:5.2f} GB")


main()
