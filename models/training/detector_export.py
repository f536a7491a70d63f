#!/usr/bin/env python3
"""Turn trained detector weights into the int8 file the node runs, with its model.toml.

Needs the TensorFlow backend; the weights may come from any. It measures nothing: `detector_evaluate.py` does.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from detector_data import Source, make_sampler
from detector_grid import COLUMNS, HEIGHT_PX, ROWS, STRIDE_PX, WIDTH_PX
from scenes import PADDING_GREY

OUTPUT_CHANNELS = {"heat": 1, "box": 4, "corners": 8}
TOML = """\
# What the plate detector promises. Checked against the file by anpr_node/vision/contract.py; written by
# models/training/detector_export.py, so change it there.
name = "plate_detector"
model_id = "{model_id}"
file = "plate_detector.tflite"
sha256 = "{sha256}"
licence = "Apache-2.0"

# A grey picture, letterboxed: shrunk to fit with its aspect kept, laid at the TOP LEFT, the rest padded with grey
# 114, so that input pixel / scale = picture pixel. int8 value = uint8 grey XOR 0x80, i.e. real = grey / 255.
[input]
name = "image"
shape = [1, {height}, {width}, 1]
dtype = "int8"
scale = {input_scale!r}
zero_point = -128

# Logit of "a plate's centre is in this cell".
[[outputs]]
{heat}
# Centre x, y from the cell's centre in cells; natural log of width and height in cells. A cell is `stride` pixels.
[[outputs]]
{box}
# x, y of top left, top right, bottom right, bottom left as the plate is read, from the box's centre, in box widths
# and heights.
[[outputs]]
{corners}
[detector]
stride = {stride}
pad_value = {pad}
first_threshold = {first}     # whole frame: low, the second look throws the mistakes out
zoom_threshold = {zoom}      # window of `zoom_window_widths` plate widths, same aspect as the input
zoom_window_widths = {window}
sharp_from_px = {sharp}      # a plate this wide in the input needs no second look
nms_iou = {nms_iou}
"""


def freeze(weights: Path):
    """A concrete function with constants in place of variables: Keras 3 variables do not survive the converter."""
    import tensorflow as tf
    from detector import build
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = build()
    model.load_weights(weights)

    @tf.function(input_signature=[tf.TensorSpec((1, HEIGHT_PX, WIDTH_PX, 1), tf.float32)])
    def image_to_grids(image):
        return model(image, training=False)

    return convert_variables_to_constants_v2(image_to_grids.get_concrete_function())


def calibration(data: Path, count: int) -> Iterator[list[np.ndarray]]:
    """Training pictures; two corner pixels pin the input range to exactly 0..1."""
    sampler = make_sampler(Source(data / "scenes", data / "fonts", seed=99, batch=1))
    for _ in range(count):
        picture = next(sampler).pixels.astype(np.float32)[None, :, :, None] / 255
        picture[0, 0, 0, 0], picture[0, 0, 1, 0] = 0.0, 1.0
        yield [picture]


def convert(weights: Path, data: Path, count: int) -> bytes:
    """The int8 flatbuffer."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([freeze(weights)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: calibration(data, count)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return named(converter.convert())


def named(content: bytes) -> bytes:
    """The same file with its outputs called heat, box and corners (the converter calls them Identity…)."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    names = {channels: name for name, channels in OUTPUT_CHANNELS.items()}
    graph = model.subgraphs[0]
    for index in graph.outputs:
        graph.tensors[index].name = names[int(graph.tensors[index].shape[-1])].encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _output_table(name: str, details: list[dict]) -> str:
    channels = OUTPUT_CHANNELS[name]
    scale, zero = next(d["quantization"] for d in details if int(d["shape"][-1]) == channels)
    shape = [1, ROWS, COLUMNS, channels]
    return f'name = "{name}"\nshape = {shape}\ndtype = "int8"\nscale = {float(scale)!r}\nzero_point = {int(zero)}\n'


def contract(content: bytes, options: argparse.Namespace) -> str:
    """model.toml for a flatbuffer."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    scale, zero = interpreter.get_input_details()[0]["quantization"]
    if abs(scale - 1 / 255) > 1e-6 or zero != -128:
        raise ValueError(f"input is quantised with {scale}, {zero}; the node needs 1/255 and -128: check calibration()")
    details = interpreter.get_output_details()
    return TOML.format(
        model_id=options.model_id,
        sha256=hashlib.sha256(content).hexdigest(),
        height=HEIGHT_PX,
        width=WIDTH_PX,
        input_scale=float(scale),
        stride=STRIDE_PX,
        pad=PADDING_GREY,
        first=options.first_threshold,
        zoom=options.zoom_threshold,
        window=options.zoom_window_widths,
        sharp=options.sharp_from_px,
        nms_iou=options.nms_iou,
        **{name: _output_table(name, details) for name in OUTPUT_CHANNELS},
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="ema.weights.h5 of a training run")
    parser.add_argument("--data", type=Path, required=True, help="data folder, for calibration pictures")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "plate_detector", help="model folder")
    parser.add_argument("--model-id", required=True, help="name-year.month.number, e.g. plate-detector-2026.11.1")
    parser.add_argument("--pictures", type=int, default=200, help="calibration pictures")
    parser.add_argument("--first-threshold", type=float, default=0.25)
    parser.add_argument("--zoom-threshold", type=float, default=0.4)
    parser.add_argument("--zoom-window-widths", type=float, default=3.0)
    parser.add_argument("--sharp-from-px", type=float, default=64.0)
    parser.add_argument("--nms-iou", type=float, default=0.4)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    content = convert(options.weights, options.data, options.pictures)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "plate_detector.tflite").write_bytes(content)
    (options.out / "model.toml").write_text(contract(content, options))
    print(f"{options.out}: {len(content)} bytes, {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
