"""From a plate's cropped picture to the recogniser's 160 x 32 input.

The node does exactly the same with the figures of model.toml.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from recognizer_model import HEIGHT_PX, WIDTH_PX

TWO_LINE_ASPECT_BELOW = 1.9
BOTH_WAYS_ASPECT = (1.6, 2.3)  # tilted boxes and nearly square one-line plates: here the node tries both ways
TOP_PART_END = 0.55  # of the height; the parts overlap so that a crop that is a little off cuts no character
BOTTOM_PART_START = 0.45


def model_input(crop: np.ndarray, two_line: bool) -> np.ndarray:
    """Stretch a grey crop to 160 x 32; a two-line crop becomes its top part and its bottom part side by side."""
    picture = Image.fromarray(crop)
    width, height = picture.size
    if not two_line:
        return np.asarray(picture.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR))
    half = (WIDTH_PX // 2, HEIGHT_PX)
    top = picture.resize(half, Image.Resampling.BILINEAR, (0, 0, width, TOP_PART_END * height))
    bottom = picture.resize(half, Image.Resampling.BILINEAR, (0, BOTTOM_PART_START * height, width, height))
    return np.hstack([np.asarray(top), np.asarray(bottom)])
