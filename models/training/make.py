#!/usr/bin/env python3
"""Make a model from pictures in one command: train, export to int8, measure; stop and start it as you like.

    make.py detector   --data DATA --run RUN [--models FOLDER]
    make.py recognizer --data DATA --run RUN [--models FOLDER]

RUN is a folder outside the repository for checkpoints, logs and plots; a step whose result is there is not done again.
FOLDER is where the model folder is written (default: the repository's models/). The steps can be run by hand, too: they
are printed. Trains with PyTorch on a GPU if there is one, else on the CPU; exports with TensorFlow.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELEASED = HERE.parent
REFINE_STEPS = 7 / 16  # of the recogniser's first training, with more real plates and a lower rate


def step(result: Path | None, script: str, *arguments: object, backend: str = "torch") -> None:
    """Run one script unless its result exists; a step without result file always runs."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    if result is not None and result.exists():
        print(f"done before: {result}", flush=True)
        return
    print(f"\n$ KERAS_BACKEND={backend} {shlex.join(command)}", flush=True)
    subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"})


def make_detector(options: argparse.Namespace) -> None:
    """Train, look for what it mistakes for plates, train again with a closer look at that, export, measure."""
    data, scenes, first, second = options.data, options.data / "scenes", options.run / "first", options.run / "second"
    mistakes, folder = options.run / "mistakes.json", options.models / "plate_detector"
    common = ("--data", data, "--threads", options.threads)
    step(first / "done", "train_detector.py", *common, "--out", first, "--minutes", options.minutes)
    step(mistakes, "detector_mine.py", "--weights", first / "ema.weights.h5", "--scenes", scenes, "--out", mistakes)
    step(second / "done", "train_detector.py", *common, "--out", second, "--minutes", options.minutes,
         "--start", first / "ema.weights.h5", "--rate", "1.3e-3", "--mistakes", mistakes)  # fmt: skip
    step(None, "detector_export.py", "--data", data, "--weights", second / "ema.weights.h5", "--out", folder,
         "--model-id", options.model_id, backend="tensorflow")  # fmt: skip
    for split in ("held-out", "dev"):
        step(None, "detector_evaluate.py", "--model", folder / "plate_detector.tflite", "--scenes", scenes,
             "--split", split)  # fmt: skip


def make_recognizer(options: argparse.Namespace) -> None:
    """Label more plates with the released model, train twice, export, fit the confidence, export with it, measure."""
    data, labels = ("--data", options.data), options.run / "self.jsonl"
    first, second = options.run / "first", options.run / "second"
    folder, fitted = options.models / "plate_recognizer", options.run / "confidence.json"
    file, plain = folder / "plate_recognizer.tflite", options.run / "int8"
    released = RELEASED / "plate_recognizer/plate_recognizer.tflite"
    export = (*data, "--weights", second / "averaged.npz", "--version", options.model_id)
    common = (*data, "--threads", options.threads, "--self-labels", labels)
    step(labels, "self_label.py", *data, "--model", released, "--out", labels)
    step(first / "done", "train_recognizer.py", *common, "--out", first, "--steps", options.steps)
    step(second / "done", "train_recognizer.py", *common, "--out", second, "--start-from", first / "averaged.npz",
         "--steps", round(options.steps * REFINE_STEPS), "--rate", "8e-4", "--real-share", "0.45")  # fmt: skip
    step(None, "export_recognizer.py", *export, "--out", plain, backend="tensorflow")
    step(None, "fit_confidence.py", *data, "--model", plain / "plate_recognizer.tflite", "--out", fitted)
    step(None, "export_recognizer.py", *export, "--out", folder, "--confidence", fitted, backend="tensorflow")
    step(None, "evaluate_recognizer.py", *data, "--model", file, "--errors")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("detector", "recognizer"))
    parser.add_argument("--data", type=Path, required=True, help="data folder with crops/, scenes/ and fonts/")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints, logs, plots")
    parser.add_argument("--models", type=Path, default=RELEASED, help="where the model folder is written")
    parser.add_argument("--model-id", default="local", help="detector: its id; recogniser: the version in its id")
    parser.add_argument("--minutes", type=float, default=40, help="detector: each of the two trainings")
    parser.add_argument("--steps", type=int, default=16000, help="recogniser: steps of 64 plates, first training")
    parser.add_argument("--threads", type=int, default=2, help="cores to train with, where there is no GPU")
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    {"detector": make_detector, "recognizer": make_recognizer}[options.model](options)


if __name__ == "__main__":
    main()
