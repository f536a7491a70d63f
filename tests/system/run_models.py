"""Runs both models on fixed inputs with whatever runtime this Python has, and saves what came out.

Called by test_runtimes.py in two environments: run_models.py MODELS OUT.npz
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anpr_node import pictures, stills
from anpr_node.records import Plane
from anpr_node.vision.contract import RecognizerContract, load_contract
from anpr_node.vision.reader import PlateReader
from anpr_node.vision.runtime import Network, find_runtime

VIEWS = 1000
PICTURES = Path(__file__).resolve().parent.parent / "pictures"


def view(plane: Plane, box: list[float], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A labelled plate with a box that is off, in weaker light and with noise, as the recogniser takes it."""
    x, y, width, height = box
    dx, dy = rng.normal(0, 0.03, 2) * width, rng.normal(0, 0.06, 2) * height
    cut = pictures.window(plane, (x + dx[0], y + dy[0], x + width + dx[1], y + height + dy[1]), 160, 32)
    faint = cut * rng.uniform(0.3, 1.0) + rng.uniform(0, 60) + rng.normal(0, rng.uniform(0, 15), cut.shape)
    return np.clip(faint, 0, 255).astype(np.uint8)


def steps_without_delegates(contract: RecognizerContract, inputs: list[Plane]) -> list[NDArray[np.int8]]:
    """The recogniser's raw characters with the runtime's own kernels: no XNNPACK, which rounds in its own way."""
    _, module = find_runtime()
    plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(model_path=str(contract.path), experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    outputs = [spec["index"] for spec in interpreter.get_output_details()]
    answers = []
    for picture in inputs:
        tensor = (picture ^ 0x80).view(np.int8).reshape(contract.input.shape)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
        interpreter.invoke()
        answers.append(np.concatenate([interpreter.get_tensor(index).ravel() for index in outputs]))
    return answers


def main() -> None:
    """Plates of the repository's pictures, then the recogniser alone on a thousand views of them and on noise."""
    models, out = Path(sys.argv[1]), sys.argv[2]
    labels = [json.loads(line) for line in (PICTURES / "labels.jsonl").read_text().splitlines()]
    planes = [pictures.load_grey(PICTURES / label["image"]) for label in labels]
    reader, rng = PlateReader(models), np.random.default_rng(1)
    found = [stills.read_scene(reader, plane)[0] for plane in planes]
    contract = load_contract(RecognizerContract, models / "plate_recognizer")
    network = Network(contract)
    plates = [(plane, label["plates"][0]["box"]) for plane, label in zip(planes, labels, strict=True)]
    inputs = [rng.integers(0, 256, (32, 160), np.uint8) for _ in range(20)]
    inputs += [view(*plates[n % len(plates)], rng) for n in range(VIEWS)]
    answers = [network.run(picture) for picture in inputs]
    read = [reader.recognizer.read(picture) for picture in inputs[20:]]
    steps = {
        spec.name: np.stack([answer[n] for answer in answers]) / spec.scale for n, spec in enumerate(contract.outputs)
    }
    np.savez(
        out,
        runtime=np.array(find_runtime()[0]),
        texts=np.array([f.plate.text for f in found]),
        corners=np.array([f.box.corners for f in found if f.box]),
        views=np.array([plate.text for plate in read]),
        without_delegates=np.stack(steps_without_delegates(contract, inputs)),
        views_score=np.array([plate.score for plate in read]),
        **steps,
    )


main()
