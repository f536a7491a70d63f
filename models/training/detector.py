"""The plate detector's network: anchor-free, stride 8, three heads, written in plain Keras 3 layers.

Runs on any Keras backend (train with jax or torch, export with TensorFlow). It never reads data and never
knows about thresholds: those belong to training and to the node's own decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from detector_grid import HEIGHT_PX, WIDTH_PX
from keras import layers

CEILING = 6.0  # a bounded ReLU keeps the int8 steps of every layer small: without it boxes came out a tenth too small
HEAT_PRIOR = -4.6  # logit of 0.01: plates are rare, so the heat starts low and the first steps stay calm


@dataclass(frozen=True)
class Size:
    """Channels of the network's stages and how many blocks the deep ones have."""

    stem: int = 16
    stride4: int = 32
    stride8: int = 64
    stride16: int = 144
    blocks8: int = 2
    blocks16: int = 10
    fused: int = 64
    blocks_shape: int = 4


def _convolution(tensor, channels: int, kernel: int, stride: int = 1):
    tensor = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(tensor)
    return layers.ReLU(CEILING)(layers.BatchNormalization(momentum=0.97)(tensor))


def _separable(tensor, channels: int, kernel: int, stride: int = 1):
    """Depthwise then pointwise; a shortcut wherever the shape allows one."""
    wide = layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False)(tensor)
    wide = layers.BatchNormalization(momentum=0.97)(wide)
    wide = layers.Conv2D(channels, 1, use_bias=False)(wide)
    wide = layers.BatchNormalization(momentum=0.97)(wide)
    if stride == 1 and tensor.shape[-1] == channels:
        wide = layers.Add()([wide, tensor])
    return layers.ReLU(CEILING)(wide)


def _head(tensor, name: str, channels: int, bias: float = 0.0):
    start = keras.initializers.Constant(bias)
    scale = keras.initializers.RandomNormal(stddev=0.01)
    return layers.Conv2D(channels, 1, name=name, bias_initializer=start, kernel_initializer=scale)(tensor)


def _backbone(image, size: Size):
    """Features at stride 8 (detail) and stride 16 (context: enough blocks that a plate of 300 px fits in view)."""
    tensor = _convolution(image, size.stem, 3, stride=2)
    tensor = _convolution(tensor, size.stride4, 3, stride=2)
    tensor = _separable(tensor, size.stride4, 3)
    tensor = _convolution(tensor, size.stride8, 3, stride=2)
    for _ in range(size.blocks8):
        tensor = _separable(tensor, size.stride8, 3)
    detail = tensor
    tensor = _separable(tensor, size.stride16, 3, stride=2)
    for _ in range(size.blocks16):
        tensor = _separable(tensor, size.stride16, 3)
    return detail, tensor


def build(size: Size = Size()) -> keras.Model:
    """Image float [n, 240, 320, 1] in 0..1 -> heat [.., 1] logits, box [.., 4], corners [.., 8] on a 30 x 40 grid."""
    image = keras.Input((HEIGHT_PX, WIDTH_PX, 1), name="image")
    detail, context = _backbone(image, size)
    context = layers.BatchNormalization(momentum=0.97)(layers.Conv2D(size.fused, 1, use_bias=False)(context))
    context = layers.UpSampling2D(2, interpolation="bilinear")(context)
    side = layers.BatchNormalization(momentum=0.97)(layers.Conv2D(size.fused, 1, use_bias=False)(detail))
    shared = layers.ReLU(CEILING)(layers.Add()([context, side]))
    shared = _separable(shared, size.fused, 3)
    found = _separable(shared, size.fused, 3)
    shaped = shared
    for _ in range(size.blocks_shape):
        shaped = _separable(shaped, size.fused, 3)
    heat = _head(found, "heat", 1, HEAT_PRIOR)
    box = _head(shaped, "box", 4)
    corners = _head(shaped, "corners", 8)
    return keras.Model(image, {"heat": heat, "box": box, "corners": corners}, name="plate_detector")
