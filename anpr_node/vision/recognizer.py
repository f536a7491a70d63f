"""Reads one rectified plate: text with a score per character, other texts it may be, and the country.

It takes the patch as it is given; finding and rectifying plates is not its business.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from anpr_node import pictures
from anpr_node.errors import ModelError
from anpr_node.records import Candidate, Plane, PlateText
from anpr_node.vision import ctc, syntax
from anpr_node.vision.contract import RecognizerContract, load_contract
from anpr_node.vision.runtime import Float32, Network

CANDIDATES_MAX = 10
UNKNOWN_COUNTRY = "?"


class Recognizer:
    """The plate recogniser on one thread. Not thread-safe: one per thread."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the model of `folder`. Raises ModelError."""
        self.contract = load_contract(RecognizerContract, folder)
        self._settings = self.contract.recognizer
        self._check_sizes()
        self._network = Network(self.contract, threads)
        _, self._rows, self._columns, _ = self.contract.input.shape

    def _check_sizes(self) -> None:
        """Alphabet and countries must have an output each, or texts would come out as other texts."""
        shapes = [spec.shape[-1] for spec in self.contract.outputs]
        wanted = [len(self._settings.alphabet) + 1, len(self._settings.countries)]
        if shapes != wanted or self._settings.blank_index != len(self._settings.alphabet):
            raise ModelError(
                f"{self.contract.folder}/model.toml: alphabet with blank and countries have {wanted} classes, "
                f"the outputs {shapes}; put back the model and model.toml of one release"
            )

    def read(self, patch: Plane) -> PlateText:
        """The text of a patch of any size; one of doubtful aspect is read as one line and as two, the surer wins."""
        aspect = patch.shape[1] / patch.shape[0]
        ways = []
        if aspect >= self._settings.two_lines_below:
            ways.append(self._one_line(patch))
        if aspect <= self._settings.one_line_above:
            ways.append(self._two_lines(patch))
        plate = syntax.prefer(max((self._recognize(way) for way in ways), key=lambda text: text.score))
        # a country that is likely, though not sure enough to be said, still tells O from 0
        return plate if plate.country_score >= self._settings.country_above else replace(plate, country=None)

    def _one_line(self, patch: Plane) -> Plane:
        return pictures.resize(patch, self._columns, self._rows)

    def _two_lines(self, patch: Plane) -> Plane:
        """Upper and lower line side by side, so that one model reads both kinds of plates."""
        rows, half = patch.shape[0], self._columns // 2
        upper = patch[: max(1, round(rows * self._settings.upper_line_ends))]
        lower = patch[min(rows - 1, round(rows * self._settings.lower_line_begins)) :]
        return np.hstack([pictures.resize(upper, half, self._rows), pictures.resize(lower, half, self._rows)])

    def _recognize(self, picture: Plane) -> PlateText:
        characters, country = self._network.run(picture)
        decoded = ctc.decode(characters, self._settings.alphabet, CANDIDATES_MAX)
        name, score = self._country(country)
        candidates = self._candidates(decoded)
        legibility = min(1.0, sum(score for text, score in decoded.candidates if text)) if candidates else 0.0
        return PlateText(decoded.text, decoded.char_scores, candidates, name, score, legibility)

    def _candidates(self, decoded: ctc.Decoded) -> tuple[Candidate, ...]:
        """The text with its calibrated probability; the others share what that leaves, as the decoder weighs them."""
        (text, score), *others = decoded.candidates
        if not text:
            return ()
        calibrated = self._calibrated(score)
        rest = (1 - calibrated) / max(1 - score, 1e-6)
        return (Candidate(text, calibrated), *(Candidate(t, s * rest) for t, s in others if t))

    def _calibrated(self, score: float) -> float:
        """The decoder's score as a probability: a logistic fitted on pictures the model was not trained on."""
        score = min(max(score, 1e-6), 1 - 1e-6)
        logit = math.log(score / (1 - score))
        return 1 / (1 + math.exp(-(self._settings.confidence_slope * logit + self._settings.confidence_offset)))

    def _country(self, logits: Float32) -> tuple[str | None, float]:
        """The likeliest country and its score."""
        weights = np.exp(logits - logits.max())
        best = int(weights.argmax())
        name = self._settings.countries[best]
        return (None if name == UNKNOWN_COUNTRY else name), float(weights[best] / weights.sum())
