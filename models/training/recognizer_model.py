"""The plate recogniser: a small fully convolutional network that gives characters (CTC) and the country.

Built from Keras 3 layers and ops only, so that it trains on any Keras backend; knows nothing of data.
"""

from __future__ import annotations

import keras
from keras import layers, ops
from syntaxes import COUNTRY_CODES

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BLANK = len(ALPHABET)
HEIGHT_PX, WIDTH_PX, COLUMNS = 32, 160, 40
TEXT_MAX = 12
WIDTH = 1.5  # channels against the layer sizes below
PAD = -1  # fills short texts, marks a column without a known symbol and an unknown country


def _conv(x, filters: int, size, strides=1, padding: str = "same", name: str = ""):
    x = layers.Conv2D(
        filters, size, strides, padding, use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    return layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x)


def _relu(x, name: str):
    return layers.ReLU(name=f"{name}_relu")(x)


def _residual(x, size, name: str):
    return _relu(layers.Add(name=f"{name}_add")([x, _conv(x, x.shape[-1], size, name=name)]), name)


def build_recognizer(batch_size: int | None = None, dropout: float = 0.1) -> keras.Model:
    """Return the network: 32 x 160 grey in 0..1 to [40, 37] character logits and country logits."""

    def w(n: int) -> int:
        return round(n * WIDTH / 8) * 8

    grey = keras.Input((HEIGHT_PX, WIDTH_PX, 1), batch_size=batch_size, name="plate")
    x = _relu(_conv(grey, w(24), 3, 2, name="stem"), "stem")  # 16 x 80
    x = _relu(_conv(x, w(24), 3, name="edges"), "edges")
    x = _relu(_conv(x, w(64), 3, 2, name="strokes"), "strokes")  # 8 x 40
    x = _residual(x, 3, "strokes2")
    x = _relu(_conv(x, w(80), 3, (2, 1), name="parts"), "parts")  # 4 x 40
    x = _residual(x, 3, "parts2")
    places = layers.AveragePooling2D((2, 4), name="places")(_relu(_conv(x, w(32), 1, name="band"), "band"))
    x = _relu(_column(x, w(128)), "column")  # 1 x 40
    x = _residual(x, (1, 9), "context")
    x = _relu(layers.Add(name="whole_add")([x, _whole(x)]), "whole")
    x = _residual(x, (1, 9), "context2")
    x = layers.SpatialDropout2D(dropout, name="drop")(x)
    characters = layers.Conv2D(BLANK + 1, 1, name="symbols")(x)
    characters = layers.Reshape((COLUMNS, BLANK + 1), name="characters")(characters)
    quarters = layers.AveragePooling2D((1, COLUMNS // 4), name="quarters")(x)
    # The country shows in the text's form (quarters) and in small print and colours at certain places.
    clues = [layers.Flatten(name="flat")(quarters), layers.Flatten(name="flat_places")(places)]
    country = layers.Dense(len(COUNTRY_CODES), name="country")(layers.Concatenate(name="clues")(clues))
    return keras.Model(grey, [characters, country], name="plate_recognizer")


def _whole(x):
    """Tell every column about the whole plate, so that a syntax can settle what O or 0 is; starts as nothing."""
    mean = layers.AveragePooling2D((1, COLUMNS), name="whole_mean")(x)
    return layers.Conv2D(x.shape[-1], 1, kernel_initializer="zeros", name="whole_conv")(mean)


def _column(x, filters: int):
    """Fold the four remaining rows into one."""
    return _conv(x, filters, (4, 1), padding="valid", name="column")


def plate_loss(target, logits, mix: float):
    """CTC plus framewise cross-entropy, from 0.3 : 10 at mix 0 to 1 : 1 at mix 1.

    `target` packs the text (TEXT_MAX) and the known symbol of each column (COLUMNS). A sample without known columns has
    PAD there and is taught by CTC alone.
    """
    text, frames = target[:, :TEXT_MAX], target[:, TEXT_MAX:]
    known = ops.cast(frames >= 0, "float32")
    frame_loss = keras.losses.sparse_categorical_crossentropy(ops.maximum(frames, 0), logits, from_logits=True)
    frame_loss = ops.sum(frame_loss * known, -1) / COLUMNS
    lengths = ops.sum(ops.cast(text >= 0, "int32"), -1)
    ctc = ops.ctc_loss(ops.maximum(text, 0), logits, lengths, ops.full_like(lengths, COLUMNS), mask_index=BLANK)
    return ops.mean((10.0 - 9.0 * mix) * frame_loss + (0.3 + 0.7 * mix) * ctc / 8.0)


def country_loss(target, logits):
    """Cross-entropy over the plates whose country is known."""
    known = ops.cast(target >= 0, "float32")
    return ops.mean(
        known * keras.losses.sparse_categorical_crossentropy(ops.maximum(target, 0), logits, from_logits=True)
    )
