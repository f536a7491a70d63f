#!/usr/bin/env python3
"""Fit slope and offset that turn the decoder's score into the chance that the whole text is right.

Uses real plates whose texts were kept out of training, as they are and a little degraded; never split dev. Writes the
two figures for export_recognizer.py, and prints how well the fitted chances agree with what happened, on these and on
new synthetic plates. Those are drawn harder than a road is: fitted to them, the node would doubt what it reads well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from degrade import degrade
from evaluate_recognizer import Reader, decode, make_reader
from geometry import model_input
from recognizer_data import REAL_SETS, SampleSource, is_held_out, read_real
from recognizer_model import ALPHABET, TEXT_MAX

VIEWS = 12  # of each held-out plate
UNTOUCHED = 4  # of these: no harm added to that of the picture itself


def held_out_inputs(data: Path, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Draw views of the real plates that training never saw."""
    plates = [p for name in REAL_SETS for p in read_real(data, name, "train") if is_held_out(p.text)]
    inputs, texts = [], []
    for plate in plates:
        for n in range(VIEWS):
            strength = 0.0 if n < UNTOUCHED else float(rng.uniform(0, 0.5))
            crop = degrade(plate.pixels, plate.face, None, plate.two_line, [], rng, strength)
            inputs.append(model_input(crop.pixels, plate.two_line))
            texts.append(plate.text)
    return np.stack(inputs), texts


def synthetic_inputs(data: Path, count: int) -> tuple[np.ndarray, list[str]]:
    """Draw new synthetic plates."""
    source = SampleSource(data, 4242, 0.0)
    samples = [source.draw() for _ in range(count)]
    texts = ["".join(ALPHABET[i] for i in s.target[:TEXT_MAX] if i >= 0) for s in samples]
    return np.stack([s.grey for s in samples]), texts


def outcomes(reader: Reader, inputs: np.ndarray, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the logit of each score and whether the text was right."""
    readings = [decode(c, ALPHABET, 1) for c in reader.logits(inputs)[0]]
    scores = np.clip([r.candidates[0][1] for r in readings], 1e-6, 1 - 1e-6)
    right = np.array([r.text == t for r, t in zip(readings, texts, strict=True)], np.float64)
    return np.log(scores / (1 - scores)), right


def fit(logit: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Logistic regression on one variable by Newton's method."""
    design, beta = np.stack([logit, np.ones_like(logit)], 1), np.array([1.0, 0.0])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-design @ beta))
        hessian = (design * (chance * (1 - chance))[:, None]).T @ design + 1e-6 * np.eye(2)
        beta = beta + np.linalg.solve(hessian, design.T @ (right - chance))
    return float(beta[0]), float(beta[1])


def _report(logit: np.ndarray, right: np.ndarray, slope: float, offset: float) -> None:
    chance = 1 / (1 + np.exp(-(slope * logit + offset)))
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 0.99), (0.99, 1.01)):
        inside = (chance >= low) & (chance < high)
        if inside.any():
            print(f"  said {low:.2f}..{min(high, 1):.2f}: {right[inside].mean():.3f} right of {inside.sum()}")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder with crops/, scenes/ and fonts/")
    parser.add_argument("--model", type=Path, required=True, help=".tflite file or averaged.npz")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for export_recognizer.py --confidence")
    options = parser.parse_args()
    reader = make_reader(options.model)
    real = outcomes(reader, *held_out_inputs(options.data, np.random.default_rng(21)))
    synthetic = outcomes(reader, *synthetic_inputs(options.data, len(real[0])))
    slope, offset = fit(*real)
    options.out.write_text(json.dumps({"slope": round(slope, 4), "offset": round(offset, 4)}))
    print(options.out.read_text())
    print(f"{len(real[0])} real views and as many synthetic ones")
    for name, (part_logit, part_right) in (("real", real), ("synthetic", synthetic)):
        print(f"{name}: {part_right.mean():.3f} read right")
        _report(part_logit, part_right, slope, offset)


if __name__ == "__main__":
    _main()
