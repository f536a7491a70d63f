#!/usr/bin/env python3
"""Train the plate recogniser: synthetic plates and real crops, CTC with framewise supervision, averaged weights.

Runs with PyTorch on a CPU or a GPU. Writes checkpoints, averaged weights, a log and a plot into --out, and goes on from
them when run again. Never looks at records of split dev except to print how well the averaged weights read them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path
from queue import Full

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
from recognizer_weights import load_weights, save_weights

LOG_EVERY_STEPS = 200
RESULTS_EVERY_STEPS = 2000  # a multiple of LOG_EVERY_STEPS
AVERAGE_KEEP = 0.999
EVEN_AFTER_STEPS = 4000
COUNTRY_WEIGHT = 0.6


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder with crops/, scenes/ and fonts/")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoints and log; not inside the repository"
    )
    parser.add_argument(
        "--steps", type=int, default=24000, help="steps in all; the learning rate falls to nothing at the last one"
    )
    parser.add_argument("--batch", type=int, default=64, help="plates a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--real-share", type=float, default=0.33, help="share of real plates in a batch, 0..1")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch on a CPU")
    parser.add_argument("--seed", type=int, default=1, help="seed of data and weights")
    parser.add_argument("--start-from", type=Path, help="averaged weights (.npz) of another run to begin with")
    parser.add_argument("--self-labels", type=Path, help="file that self_label.py wrote: more real plates")
    return parser.parse_args()


def _feed(queue: multiprocessing.Queue, options: argparse.Namespace, seed: int) -> None:
    import cv2
    from recognizer_data import SampleSource

    cv2.setNumThreads(1)
    parent = os.getppid()
    queue.cancel_join_thread()
    source = SampleSource(options.data, seed, options.real_share, options.self_labels)
    for arrays in source.batches(options.batch):
        while os.getppid() == parent:  # a killed trainer leaves no feeder behind
            try:
                queue.put(arrays, timeout=5)
                break
            except Full:
                continue
        else:
            return


def start_feed(options: argparse.Namespace, step: int) -> multiprocessing.Queue:
    """Start one process that draws batches; its seed depends on the step, so that a resumed run sees new plates."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue(maxsize=12)
    context.Process(target=_feed, args=(queue, options, options.seed + 1000 * step), daemon=True).start()
    return queue


class Run:
    """The network under training, its averaged weights, and how both are kept on disk."""

    def __init__(self, options: argparse.Namespace) -> None:
        import keras
        from recognizer_model import build_recognizer
        from torch_twin import Learner, prepare

        keras.utils.set_random_seed(options.seed)
        self.options, self.step = options, 0
        self.averaged = build_recognizer()
        if options.start_from:
            self.averaged.set_weights(load_weights(options.start_from))
        self.learner = Learner(self.averaged, prepare(options.threads), 0.01, AVERAGE_KEEP)
        self._checkpoint = options.out / "checkpoint.pt"
        if self._checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        self.learner.restore(self.learner.load(self._checkpoint))
        self.step = self.learner.steps

    def save(self) -> None:
        """Checkpoint, and the averaged weights by themselves; the Keras model holds these from here on."""
        from torch_twin import save_state

        save_state(self.learner.state(), self._checkpoint)
        weights = self.learner.averaged_weights()
        self.averaged.set_weights(weights)
        save_weights(self.options.out / "averaged.npz", weights, self.step)

    def rate(self) -> float:
        """Warm up, then fall on a cosine."""
        done, warm = self.step / self.options.steps, min(1.0, (self.step + 1) / 300)
        return self.options.rate * warm * (0.5 + 0.5 * float(np.cos(np.pi * min(1.0, done)))) + 1e-6

    def mix(self) -> float:
        """0: the columns' known symbols teach; 1: they and CTC evenly."""
        return 1.0 if self.options.start_from else min(1.0, self.step / EVEN_AFTER_STEPS)

    def train_step(self, grey: np.ndarray, target: np.ndarray, country: np.ndarray) -> list[float]:
        """One batch; returns the loss over characters and that over countries."""
        from recognizer_model import country_loss, plate_loss

        truth, origin, parts = self.learner.tensor(target), self.learner.tensor(country), []

        def loss_of(outputs: list):
            parts[:] = [plate_loss(truth, outputs[0], self.mix()), country_loss(origin, outputs[1])]
            return parts[0] + COUNTRY_WEIGHT * parts[1]

        self.learner.step(grey[..., None], self.rate(), loss_of)
        self.step += 1
        return [float(part.detach()) for part in parts]


def plot(out: Path) -> None:
    """Draw loss and dev accuracy over steps from the log."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    left.plot([r["step"] for r in rows], [r["loss"] for r in rows])
    left.set(title="training loss", xlabel="step", yscale="log")
    measured = [r for r in rows if "dev" in r]
    for name in measured[0]["dev"] if measured else ():
        right.plot([r["step"] for r in measured], [r["dev"][name]["exact"] for r in measured], label=name)
    right.set(title="read exactly (dev, averaged weights)", xlabel="step")
    right.legend()
    figure.savefig(out / "training.png")
    pyplot.close(figure)


def train(options: argparse.Namespace) -> None:
    from evaluate_recognizer import FloatReader, measure, read_dev_sets

    run = Run(options)
    dev = read_dev_sets(options.data)
    queue = start_feed(options, run.step)
    started, losses = time.time(), []
    while run.step < options.steps:
        losses.append(run.train_step(*queue.get()))
        if run.step % LOG_EVERY_STEPS and run.step < options.steps:
            continue
        mean = np.mean(losses, axis=0)
        row = {
            "step": run.step,
            "loss": round(float(mean[0]), 4),
            "country_loss": round(float(mean[1]), 4),
            "seconds": round(time.time() - started),
            "waiting": queue.qsize(),
        }
        losses = []
        if run.step % RESULTS_EVERY_STEPS == 0 or run.step == options.steps:
            run.save()
            row["dev"] = measure(FloatReader(run.averaged), dev)
        with (options.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        if "dev" in row:
            plot(options.out)
    (options.out / "done").touch()


if __name__ == "__main__":
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    train(arguments)
