#!/usr/bin/env python3
"""Train the plate detector for a given time, resumable, with PyTorch on the CPU or a GPU.

The learning rate follows the clock, not the samples: on a busy machine a run still ends when it should, cooled down.
It exports nothing; `detector_export.py` does.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np

AVERAGE_KEEP = 0.9975
WARM_UP_STEPS = 300
LOG_EVERY_STEPS = 50


@dataclass
class Progress:
    """What a resumed run needs to know."""

    seconds: float = 0.0
    steps: int = 0
    samples: int = 0
    losses: list[float] = field(default_factory=list)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog="Example: nice train_detector.py --data DATA --out runs/a --minutes 60",
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder with scenes/ and fonts/")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, log, plot; resumed if it has some")
    parser.add_argument("--minutes", type=float, default=60, help="training time; the learning rate is 0 at its end")
    parser.add_argument("--start", type=Path, help="weights to start from (.weights.h5)")
    parser.add_argument("--rate", type=float, default=2.5e-3, help="highest learning rate (AdamW)")
    parser.add_argument("--batch", type=int, default=16, help="pictures a step")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch on a CPU")
    parser.add_argument("--check-minutes", type=float, default=4, help="how often the held-out pictures are scored")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mistakes", type=Path, help="JSON of detector_mine.py: what looks like plates and is none")
    return parser.parse_args()


def rate_now(options: argparse.Namespace, progress: Progress) -> float:
    """Warm up, hold, then a cosine down to zero at the end of the time."""
    done = min(1.0, progress.seconds / (options.minutes * 60))
    cooling = max(0.0, (done - 0.15) / 0.85)
    return options.rate * min(1.0, (progress.steps + 1) / WARM_UP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * cooling))


class Run:
    """One training run in its folder."""

    def __init__(self, options: argparse.Namespace) -> None:
        import keras
        from detector import build
        from torch_twin import Learner, prepare

        self.options = options
        self.folder: Path = options.out
        self.folder.mkdir(parents=True, exist_ok=True)
        self.progress = Progress()
        keras.utils.set_random_seed(options.seed)
        self.averaged = build()
        if options.start:
            self.averaged.load_weights(options.start)
        self.learner = Learner(self.averaged, prepare(options.threads), 1e-4, AVERAGE_KEEP)
        self._state = self.folder / "state.pt"
        if self._state.exists():
            self._resume()

    def _resume(self) -> None:
        state = self.learner.load(self._state)
        self.progress = Progress(**state["progress"])
        self.learner.restore(state["learner"])
        print(f"resumed after {self.progress.samples} samples", flush=True)

    def save(self) -> None:
        """Weights, their moving average, and where the run stands."""
        from torch_twin import save_state

        self.averaged.set_weights(self.learner.averaged_weights())
        self.averaged.save_weights(self.folder / "ema.weights.h5")
        save_state({"learner": self.learner.state(), "progress": vars(self.progress)}, self._state)

    def step(self, pixels: np.ndarray, target: np.ndarray) -> None:
        """One batch."""
        from detector_loss import detector_loss

        started = time.monotonic()
        names, truth = self.averaged.output_names, self.learner.tensor(target)
        loss = self.learner.step(
            pixels,
            rate_now(self.options, self.progress),
            lambda outputs: detector_loss(truth, dict(zip(names, outputs, strict=True))),
        )
        if not math.isfinite(loss):
            raise FloatingPointError(f"loss is {loss} after {self.progress.samples} samples: lower --rate")
        self.progress.losses.append(loss)
        self.progress.steps += 1
        self.progress.samples += len(pixels)
        self.progress.seconds += time.monotonic() - started


def checked(run: Run, held_out: list) -> str:
    """Score the averaged weights on held-out pictures and note it in checks.csv."""
    from detector_evaluate import find, model_predict, score

    result = score(find(model_predict(run.averaged), held_out), 0.3)
    with (run.folder / "checks.csv").open("a", newline="") as file:
        row = [run.progress.samples, result.recall50, result.ap50, result.mean_iou, result.side_error_p90]
        csv.writer(file).writerow(row)
    return result.line()


def plot(run: Run) -> None:
    """Loss and held-out recall over samples."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    losses = np.array(run.progress.losses)
    smooth = np.convolve(losses, np.ones(100) / 100, "valid") if len(losses) > 200 else losses
    figure, axis = plt.subplots(figsize=(8, 4))
    axis.plot(np.linspace(0, run.progress.samples, len(smooth)), smooth, label="loss")
    axis.set(xlabel="samples", ylabel="loss", yscale="log")
    if (run.folder / "checks.csv").exists():
        checks = np.loadtxt(run.folder / "checks.csv", delimiter=",", ndmin=2)
        twin = axis.twinx()
        twin.plot(checks[:, 0], checks[:, 1], "o-", color="tab:green", label="recall at IoU 0.5, held out")
        twin.set_ylabel("recall")
    figure.legend()
    figure.savefig(run.folder / "progress.png", dpi=110)


def train(run: Run) -> None:
    """Until the time is over: learn, log, check, save."""
    from detector_data import Source, start
    from scenes import load_scenes

    options = run.options
    source = Source(
        options.data / "scenes",
        options.data / "fonts",
        options.seed + run.progress.steps,
        options.batch,
        options.mistakes,
    )
    queue = start(source)
    held_out = [scene for scene in load_scenes(source.scenes, "train") if scene.is_held_out]
    last_check = time.monotonic()
    while run.progress.seconds < options.minutes * 60:
        run.step(*queue.get())
        if run.progress.steps % LOG_EVERY_STEPS == 0:
            recent = float(np.mean(run.progress.losses[-LOG_EVERY_STEPS:]))
            print(
                f"{run.progress.seconds / 60:6.1f} min {run.progress.samples:7d} samples loss {recent:.3f} "
                f"rate {rate_now(options, run.progress):.5f}",
                flush=True,
            )
        if time.monotonic() - last_check > options.check_minutes * 60:
            run.save()
            print(checked(run, held_out), flush=True)
            last_check = time.monotonic()
    run.save()
    print(checked(run, held_out), flush=True)
    plot(run)
    (run.folder / "done").touch()


def main() -> None:
    """Command line."""
    train(Run(parse()))


if __name__ == "__main__":
    sys.exit(main())
