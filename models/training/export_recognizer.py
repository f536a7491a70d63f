#!/usr/bin/env python3
"""Turn trained weights into a full-int8 .tflite and write model.toml beside it.

The input takes the camera's bytes with the top bit flipped (scale 1/255, zero point -128). Trains nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

NAME = "plate_recognizer"


def calibration_inputs(data: Path, count: int) -> np.ndarray:
    """Draw plates as in training, half of them real, and one black-and-white input that pins the range to 0..1."""
    from recognizer_data import SampleSource

    source = SampleSource(data, 99, 0.5)
    inputs = np.stack([source.draw().grey for _ in range(count)]).astype(np.float32)[..., None] / 255
    inputs[0, :, :80], inputs[0, :, 80:] = 0.0, 1.0
    return inputs


def convert(weights: Path, inputs: np.ndarray) -> bytes:
    """Freeze the network with batch size 1 and quantise weights, activations, input and outputs to int8."""
    import tensorflow as tf
    from recognizer_model import build_recognizer
    from recognizer_weights import load_weights
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    network = build_recognizer(batch_size=1)
    network.set_weights(load_weights(weights))
    call = tf.function(lambda plate: network(plate, training=False))
    # Frozen first: from a Keras 3 function the converter would keep variables that no runtime reads.
    frozen = convert_variables_to_constants_v2(
        call.get_concrete_function(tf.TensorSpec(network.input_shape, tf.float32))
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _one_by_one(inputs)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def _one_by_one(inputs: np.ndarray) -> Iterator[list[np.ndarray]]:
    for row in inputs:
        yield [row[None]]


def _tensor_toml(head: str, name: str, detail: dict) -> str:
    scale, zero = detail["quantization"]
    shape = ", ".join(str(int(n)) for n in detail["shape"])
    return f'{head}\nname = "{name}"\nshape = [{shape}]\ndtype = "int8"\nscale = {scale!r}\nzero_point = {zero}\n'


def contract(tflite: bytes, version: str, slope: float, offset: float) -> str:
    """Return model.toml: tensors, geometry, alphabet, countries and calibration."""
    from ai_edge_litert.interpreter import Interpreter
    from geometry import BOTH_WAYS_ASPECT, BOTTOM_PART_START, TOP_PART_END
    from recognizer_model import ALPHABET, BLANK
    from syntaxes import COUNTRY_CODES

    net = Interpreter(model_content=tflite)
    given = net.get_input_details()[0]
    scale, zero = given["quantization"]
    assert abs(scale - 1 / 255) < 1e-7, scale
    assert zero == -128, zero
    outputs = net.get_output_details()
    assert [len(o["shape"]) for o in outputs] == [3, 2], "characters must be output 0, country output 1"
    digest = hashlib.sha256(tflite).hexdigest()
    head = (
        f"# Written by models/training/export_recognizer.py; the node checks the weights against sha256.\n"
        f'name = "{NAME}"\nmodel_id = "{NAME}-{version}-{digest[:8]}"\nfile = "{NAME}.tflite"\nsha256 = "{digest}"\n'
        'licence = "Apache-2.0"\n\n'
    )
    tensors = [
        _tensor_toml("[input]", "plate", {**given, "quantization": (1 / 255, -128)}),
        *(_tensor_toml("[[outputs]]", n, o) for n, o in zip(("characters", "country"), outputs)),
    ]
    countries = ", ".join(f'"{c}"' for c in COUNTRY_CODES)
    return (
        head
        + "\n".join(tensors)
        + f"""
[recognizer]
alphabet = "{ALPHABET}"
blank_index = {BLANK}
countries = [{countries}]
# Width / height of a plate: from two_lines_below up it is read as one line, up to one_line_above as two
# lines (in between both ways, the surer reading wins).
two_lines_below = {BOTH_WAYS_ASPECT[0]}
one_line_above = {BOTH_WAYS_ASPECT[1]}
# A two-line plate's upper line is the part above upper_line_ends, its lower line the part below lower_line_begins
# (shares of the height); each is stretched to half the input's width and they stand side by side.
upper_line_ends = {TOP_PART_END}
lower_line_begins = {BOTTOM_PART_START}
# Room added around a found plate before cutting; measured on labelled boxes that were off by 3 % and 6 %.
margin_x = 0.02
margin_y = 0.04
reject_below = 0.5      # texts read once with less confidence are noise,
reject_odd_below = 0.7  # and these where the country is unknown or is not known to issue such a text
country_above = 0.85    # a country is named from this score up
# probability = logistic(confidence_slope * logit(score) + confidence_offset), score = product over the characters.
confidence_slope = {slope:.4f}
confidence_offset = {offset:.4f}
"""
    )


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder with crops/, scenes/ and fonts/")
    parser.add_argument("--weights", type=Path, required=True, help="averaged.npz of a training run")
    parser.add_argument("--out", type=Path, required=True, help="folder for plate_recognizer.tflite and model.toml")
    parser.add_argument("--version", default="1.0.0", help="version in the model_id")
    parser.add_argument("--calibration", type=int, default=400, help="plates that set the quantisation ranges")
    parser.add_argument("--confidence", type=Path, help="JSON of fit_confidence.py; without it scores stay raw")
    options = parser.parse_args()
    tflite = convert(options.weights, calibration_inputs(options.data, options.calibration))
    confidence = json.loads(options.confidence.read_text()) if options.confidence else {"slope": 1.0, "offset": 0.0}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{NAME}.tflite").write_bytes(tflite)
    (options.out / "model.toml").write_text(contract(tflite, options.version, **confidence), encoding="utf-8")
    print(f"{options.out / NAME}.tflite: {len(tflite)} bytes")


if __name__ == "__main__":
    _main()
