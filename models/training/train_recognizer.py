#!/usr/bin/env python3
"""Train the plate recogniser: synthetic plates and real crops, CTC with framewise supervision, averaged weights.

Writes checkpoints (raw and averaged weights), a log and a plot into --out; run it again with the same --out to go on.
Never looks at records of split dev except to print how well the averaged weights read them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path
from queue import Full

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np

LOG_EVERY_STEPS = 200
RESULTS_EVERY_STEPS = 1000  # a multiple of LOG_EVERY_STEPS


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder with crops/, scenes/ and fonts/")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoints and log; not inside the repository"
    )
    parser.add_argument(
        "--steps", type=int, default=20000, help="steps in all; the learning rate falls to nothing at the last one"
    )
    parser.add_argument("--batch", type=int, default=64, help="plates a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--real-share", type=float, default=0.3, help="share of real plates in a batch, 0..1")
    parser.add_argument("--width", type=float, default=1.0, help="channel multiplier of the network")
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
        from recognizer_model import PlateLoss, build_recognizer, country_loss

        keras.utils.set_random_seed(options.seed)
        self.options, self.step = options, 0
        self.frame_weight = keras.Variable(10.0, trainable=False)
        self.ctc_weight = keras.Variable(0.3, trainable=False)
        self.model = build_recognizer(options.width)
        self.optimizer = keras.optimizers.AdamW(options.rate, weight_decay=0.01, clipnorm=5.0)
        self.model.compile(
            optimizer=self.optimizer,
            loss=[PlateLoss(self.frame_weight, self.ctc_weight), country_loss],
            loss_weights=[1.0, 0.4],
        )
        self.optimizer.build(self.model.trainable_variables)
        if options.start_from:
            self.model.set_weights(load_weights(options.start_from))
        self.average = [w.copy() for w in self.model.get_weights()]
        self._checkpoint = options.out / "checkpoint.npz"
        if self._checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        with np.load(self._checkpoint) as kept:
            self.step = int(kept["step"])
            self.model.set_weights([kept[f"w{i}"] for i in range(len(self.average))])
            self.average = [kept[f"a{i}"] for i in range(len(self.average))]
            for i, variable in enumerate(self.optimizer.variables):
                variable.assign(kept[f"o{i}"])

    def save(self) -> None:
        arrays = {f"w{i}": w for i, w in enumerate(self.model.get_weights())}
        arrays |= {f"a{i}": a for i, a in enumerate(self.average)}
        arrays |= {f"o{i}": np.asarray(v) for i, v in enumerate(self.optimizer.variables)}
        _save_npz(self._checkpoint, step=self.step, **arrays)
        _save_npz(self.options.out / "averaged.npz", step=self.step, **{f"a{i}": a for i, a in enumerate(self.average)})

    def schedule(self) -> None:
        """Warm up, fall on a cosine; go from framewise supervision (10 : 0.3) to an even mix with CTC."""
        done = self.step / self.options.steps
        warm = min(1.0, (self.step + 1) / 300)
        self.optimizer.learning_rate.assign(
            self.options.rate * warm * (0.5 + 0.5 * np.cos(np.pi * min(1.0, done))) + 1e-6
        )
        mix = 1.0 if self.options.start_from else min(1.0, self.step / 4000)
        self.frame_weight.assign(10.0 * (1 - mix) + 1.0 * mix)
        self.ctc_weight.assign(0.3 * (1 - mix) + 1.0 * mix)

    def train_step(self, grey: np.ndarray, target: np.ndarray, country: np.ndarray) -> list[float]:
        self.schedule()
        losses = self.model.train_on_batch(grey[..., None].astype(np.float32) / 255, [target, country[:, None]])
        self.step += 1
        if self.step % 4 == 0:
            keep = min(0.995, self.step / (self.step + 40))
            for average, weight in zip(self.average, self.model.get_weights()):
                average += (1 - keep) * (weight - average)
        return [float(x) for x in losses]


def _save_npz(path: Path, **arrays: np.ndarray | int) -> None:
    """Write beside the old file and move over it, so that a kill never leaves half a checkpoint."""
    beside = path.with_name("writing-" + path.name)
    np.savez(beside, **arrays)
    beside.replace(path)


def load_weights(path: Path) -> list[np.ndarray]:
    """Read averaged weights in layer order."""
    with np.load(path) as kept:
        return [kept[f"a{i}"] for i in range(sum(name.startswith("a") for name in kept.files))]


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
    from evaluate_recognizer import KerasReader, measure, read_dev_sets

    run = Run(options)
    dev = read_dev_sets(options.data)
    spare = type(run.model).from_config(run.model.get_config())
    queue = start_feed(options, run.step)
    started, losses = time.time(), []
    while run.step < options.steps:
        losses.append(run.train_step(*queue.get()))
        if run.step % LOG_EVERY_STEPS and run.step < options.steps:
            continue
        mean = np.mean(losses, axis=0)
        row = {
            "step": run.step,
            "loss": round(float(mean[1]), 4),
            "country_loss": round(float(mean[2]), 4),
            "seconds": round(time.time() - started),
            "waiting": queue.qsize(),
        }
        losses = []
        if run.step % RESULTS_EVERY_STEPS == 0 or run.step == options.steps:
            spare.set_weights(run.average)
            row["dev"] = measure(KerasReader(spare), dev)
            run.save()
        with (options.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        if "dev" in row:
            plot(options.out)


if __name__ == "__main__":
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    train(arguments)
