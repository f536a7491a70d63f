#!/usr/bin/env python3
"""Print both networks' parameters and multiply-adds a picture, as their cards give them; reads no weights."""

from __future__ import annotations

import math
import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
from detector import build
from keras import layers
from recognizer_model import build_recognizer


def multiply_adds(model: keras.Model) -> int:
    """Of one picture, counted from the convolutions, which are nearly all."""
    found = [layer for layer in model.layers if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D))]
    return sum(math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape) for layer in found)


if __name__ == "__main__":
    for network in (build(), build_recognizer()):
        count, adds = network.count_params() / 1e6, multiply_adds(network) / 1e6
        print(f"{network.name}: {count:.2f} million parameters, {adds:.0f} million multiply-adds")
