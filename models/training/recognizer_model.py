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


def build_recognizer(width: float = 1.0, batch_size: int | None = None, dropout: float = 0.1) -> keras.Model:
    """Return the network: 32 x 160 grey in 0..1 to [40, 37] character logits and country logits."""

    def w(n: int) -> int:
        return round(n * width / 8) * 8

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


class PlateLoss(keras.losses.Loss):
    """CTC plus framewise cross-entropy; y_true packs the text (TEXT_MAX) and the known symbol of each column (COLUMNS).

    A sample without known columns has PAD there and is taught by CTC alone.
    """

    def __init__(self, frame_weight: keras.Variable, ctc_weight: keras.Variable) -> None:
        super().__init__(name="plate_loss")
        self.frame_weight, self.ctc_weight = frame_weight, ctc_weight

    def call(self, y_true, y_pred):
        text, frames = y_true[:, :TEXT_MAX], y_true[:, TEXT_MAX:]
        known = ops.cast(frames >= 0, "float32")
        frame_loss = keras.losses.sparse_categorical_crossentropy(ops.maximum(frames, 0), y_pred, from_logits=True)
        frame_loss = ops.sum(frame_loss * known, -1) / COLUMNS
        lengths = ops.sum(ops.cast(text >= 0, "int32"), -1)
        columns = ops.full_like(lengths, COLUMNS)
        ctc = ops.ctc_loss(ops.maximum(text, 0), y_pred, lengths, columns, mask_index=BLANK)
        return self.frame_weight * frame_loss + self.ctc_weight * ctc / 8.0


def country_loss(y_true, y_pred):
    """Cross-entropy over the plates whose country is known."""
    known = ops.cast(y_true >= 0, "float32")
    return keras.losses.sparse_categorical_crossentropy(ops.maximum(y_true, 0), y_pred, from_logits=True) * ops.reshape(
        known, (-1,)
    )
