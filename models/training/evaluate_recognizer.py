#!/usr/bin/env python3
"""Measure a recogniser (averaged Keras weights or a .tflite) on the dev sets.

Prints the rates of plates read exactly, folded (O = Q = 0, I = 1), within one edit and within the ten candidates, of
characters and of countries. Decodes with the node's own anpr_node.vision.ctc; trains nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from geometry import model_input
from recognizer_data import RealPlate, country_index, read_real
from recognizer_model import ALPHABET, PAD

from anpr_node.vision.ctc import Decoded, decode
from anpr_node.vrm import edit_distance

BATCH = 64
FOLD = str.maketrans("OQI", "001")


class Reader(Protocol):
    """Anything that turns inputs (n x 32 x 160 uint8) into character logits and country logits."""

    def logits(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


class FloatReader:
    """Reads with a Keras model, through its PyTorch twin."""

    def __init__(self, model) -> None:
        from torch_twin import Twin

        self._twin = Twin(model).eval()

    def logits(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import torch

        with torch.no_grad():
            parts = [self._twin(torch.from_numpy(some[..., None].astype(np.float32) / 255))
                     for some in np.array_split(inputs, -(-len(inputs) // BATCH))]  # fmt: skip
        return tuple(torch.cat(outputs).numpy() for outputs in zip(*parts, strict=True))


class TfliteReader:
    """Reads with a full-int8 .tflite, one plate a call, and gives dequantised logits."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._net = Interpreter(str(path), num_threads=1)
        self._net.allocate_tensors()
        self._input = self._net.get_input_details()[0]["index"]
        outputs = self._net.get_output_details()
        self._outputs = sorted(outputs, key=lambda o: -len(o["shape"]))  # characters has three axes, country two

    def logits(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = []
        for grey in inputs:
            self._net.set_tensor(self._input, (grey ^ 0x80).view(np.int8)[None, ..., None])
            self._net.invoke()
            rows.append([self._real(o) for o in self._outputs])
        return np.stack([r[0] for r in rows]), np.stack([r[1] for r in rows])

    def _real(self, output: dict) -> np.ndarray:
        scale, zero = output["quantization"]
        return (self._net.get_tensor(output["index"])[0].astype(np.float32) - zero) * np.float32(scale)


@dataclass(frozen=True)
class DevSet:
    """A measured set: the plates with their inputs."""

    plates: list[RealPlate]
    inputs: np.ndarray


def _exact_box(plate: RealPlate) -> np.ndarray:
    x0, y0, x1, y1 = (round(v) for v in plate.face)
    return plate.pixels[max(0, y0) : y1, max(0, x0) : x1]


def _jittered_box(plate: RealPlate, rng: np.random.Generator) -> np.ndarray:
    x0, y0, x1, y1 = plate.face
    dx, dy = rng.normal(0, 0.03, 2) * (x1 - x0), rng.normal(0, 0.06, 2) * (y1 - y0)
    a, b = max(0, round(x0 + dx[0])), max(0, round(y0 + dy[0]))
    return plate.pixels[b : round(y1 + dy[1]), a : round(x1 + dx[1])]


def read_dev_sets(data: Path) -> dict[str, DevSet]:
    """Read every dev set; openalpr_eu a second time with boxes off by 3 % of the width and 6 % of the height."""
    rng = np.random.default_rng(5)
    crops, moto = (read_real(data, f"crops/{n}", "dev", 0.0) for n in ("eu_crops", "eu_moto_crops"))
    scenes = read_real(data, "scenes/openalpr_eu", "dev")
    belgian = [p for p in crops + moto if p.country == "B"]
    boxes = {
        "eu_crops": (crops, _exact_box),
        "belgian": (belgian, _exact_box),
        "moto": (moto, _exact_box),
        "openalpr_eu": (scenes, _exact_box),
        "openalpr_eu_jittered": (scenes, lambda p: _jittered_box(p, rng)),
    }
    return {
        name: DevSet(plates, np.stack([model_input(cut(p), p.two_line) for p in plates]))
        for name, (plates, cut) in boxes.items()
    }


def read_set(reader: Reader, dev: DevSet) -> tuple[list[Decoded], np.ndarray]:
    """Decode every plate of a set; return the readings and the country index of each."""
    characters, country = reader.logits(dev.inputs)
    return [decode(c, ALPHABET, 10) for c in characters], country.argmax(1)


def measure(reader: Reader, sets: dict[str, DevSet]) -> dict[str, dict[str, float]]:
    """Rates for each set: exact, folded (O=Q=0, I=1), within one edit, top-10, characters right, country right."""
    results = {}
    for name, dev in sets.items():
        readings, countries = read_set(reader, dev)
        truth = [p.text for p in dev.plates]
        known = [
            (country_index(p.country), c) for p, c in zip(dev.plates, countries) if country_index(p.country) != PAD
        ]
        distance = [edit_distance(r.text, t) for r, t in zip(readings, truth)]
        rates = {
            "exact": np.mean([d == 0 for d in distance]),
            "fold": np.mean([r.text.translate(FOLD) == t.translate(FOLD) for r, t in zip(readings, truth)]),
            "edit1": np.mean([d <= 1 for d in distance]),
            "top10": np.mean([t in [c for c, _ in r.candidates] for r, t in zip(readings, truth)]),
            "characters": 1 - sum(distance) / sum(map(len, truth)),
            "country": np.mean([a == b for a, b in known]) if known else 0.0,
        }
        results[name] = {k: round(float(v), 4) for k, v in rates.items()}
    return results


def make_reader(model: Path) -> Reader:
    """A reader for a .tflite file or an .npz of averaged weights."""
    if model.suffix == ".tflite":
        return TfliteReader(model)
    from recognizer_model import build_recognizer
    from recognizer_weights import load_weights

    network = build_recognizer()
    network.set_weights(load_weights(model))
    return FloatReader(network)


def _print_errors(reader: Reader, sets: dict[str, DevSet]) -> None:
    for name, dev in sets.items():
        readings, _ = read_set(reader, dev)
        for plate, reading in zip(dev.plates, readings):
            if plate.text != reading.text:
                score = reading.candidates[0][1]
                print(f"{name}: {plate.text} ({plate.country}) read as {reading.text}, score {score:.2f}")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder with crops/ and scenes/")
    parser.add_argument("--model", type=Path, required=True, help=".tflite file, or averaged.npz of a training run")
    parser.add_argument("--errors", action="store_true", help="also list every misread plate")
    options = parser.parse_args()
    reader, sets = make_reader(options.model), read_dev_sets(options.data)
    for name, rates in measure(reader, sets).items():
        print(f"{name:22} n={len(sets[name].plates):4} {json.dumps(rates)}")
    if options.errors:
        _print_errors(reader, sets)


if __name__ == "__main__":
    _main()
