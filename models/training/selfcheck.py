#!/usr/bin/env python3
"""Check the plate generator and the column labels without training anything; about five seconds.

Every drawn plate must have one box a character inside its picture, and the labelled columns of every sample, read by
the node's decoder, must give the text back.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from evaluate_recognizer import decode
from plates import PlateGenerator
from recognizer_data import SampleSource
from recognizer_model import ALPHABET, BLANK, COLUMNS, TEXT_MAX
from syntaxes import COUNTRY_CODES


def check_plates(fonts: Path, count: int) -> None:
    """Draw plates and check text, boxes and country."""
    generator = PlateGenerator(fonts, 1)
    for _ in range(count):
        plate = generator.render()
        height, width = plate.pixels.shape
        assert plate.text, "empty text"
        assert set(plate.text) <= set(ALPHABET), plate.text
        assert plate.char_boxes.shape == (len(plate.text), 4), plate.text
        assert plate.char_boxes.min() >= -1, plate.char_boxes
        assert plate.char_boxes[:, 2].max() <= width + 1, plate.char_boxes
        assert plate.char_boxes[:, 3].max() <= height + 1, plate.char_boxes
        assert plate.country in COUNTRY_CODES, plate.country


def check_columns(data: Path, count: int) -> float:
    """Return the share of synthetic samples whose labelled columns decode to their text."""
    source, right = SampleSource(data, 3, 0.0), 0
    for _ in range(count):
        target = source.draw().target
        text = "".join(ALPHABET[i] for i in target[:TEXT_MAX] if i >= 0)
        columns = np.where(target[TEXT_MAX:] < 0, BLANK, target[TEXT_MAX:])
        logits = np.zeros((COLUMNS, BLANK + 1), np.float32)
        logits[np.arange(COLUMNS), columns] = 12
        right += decode(logits, ALPHABET, 1).text == text
    return right / count


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder with crops/, scenes/ and fonts/")
    parser.add_argument("--count", type=int, default=400, help="plates to draw")
    options = parser.parse_args()
    check_plates(options.data / "fonts", options.count)
    share = check_columns(options.data, options.count)
    # The rest are twins so close that no column parts them; CTC alone teaches those.
    assert share > 0.95, f"only {share:.1%} of the column labels give the text back"
    print(f"{options.count} plates drawn well; {share:.1%} of the column labels give the text back")


if __name__ == "__main__":
    _main()
