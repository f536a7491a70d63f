#!/usr/bin/env python3
"""List what a trained detector takes for plates and the labels do not: lamps, badges, lettering.

The next training round looks at these places closely. Very sure ones may be forgotten plates rather than mistakes: they
are listed apart, to be left out of the loss. Pictures with incomplete labels are skipped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from detector_evaluate import find, keras_predict
from scenes import load_scenes

from anpr_node.vision.boxes import iou

NEAR_A_PLATE = 0.1  # overlap at which a detection is a clumsy box, not a mistake of its own


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="ema.weights.h5 of a first training run")
    parser.add_argument("--scenes", type=Path, required=True, help="folder of labelled sets; split train only is read")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--lowest", type=float, default=0.25, help="score from which a mistake counts")
    parser.add_argument("--doubtful", type=float, default=0.6, help="score from which it may be a forgotten plate")
    options = parser.parse_args()
    scenes = [scene for scene in load_scenes(options.scenes, "train") if scene.complete]
    mined: dict[str, dict[str, list]] = {}
    for result in find(keras_predict(options.weights), scenes, options.lowest):
        lists: dict[str, list] = {"lookalikes": [], "doubtful": []}
        for box in result.boxes:
            if (iou(np.array(box.bounds), result.scene.boxes) < NEAR_A_PLATE).all():
                kind = "doubtful" if box.score >= options.doubtful else "lookalikes"
                lists[kind].append([round(side, 1) for side in box.bounds])
        if any(lists.values()):
            mined[result.scene.key] = lists
    options.out.write_text(json.dumps(mined))
    print({kind: sum(len(lists[kind]) for lists in mined.values()) for kind in ("lookalikes", "doubtful")})


if __name__ == "__main__":
    main()
