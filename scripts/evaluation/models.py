"""The models to compare: folders with a detector and a recogniser, loaded as the node loads them.

A folder with one of the two gets the other from the repository; weights are never changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from anpr_node.errors import ModelError
from anpr_node.vision.reader import PlateReader
from evaluation.samples import ROOT

PARTS = ("plate_detector", "plate_recognizer")
OWN_MODELS = ROOT / "models"


@dataclass(frozen=True, slots=True)
class Model:
    """A reader with the name that the report gives it; `borrowed` names the half taken from the repository."""

    name: str
    folder: Path
    reader: PlateReader
    borrowed: str | None


@contextmanager
def load_models(named: Sequence[str]) -> Iterator[list[Model]]:
    """The models of `name=folder` or `folder`; the repository's own where none is named. Raises ModelError."""
    wanted = [_parse(spec) for spec in named] or [("this version", OWN_MODELS)]
    names = [name for name, _ in wanted]
    if len(set(names)) < len(names):
        raise ModelError(f"two models with one name in {', '.join(names)}; name them: --models new=FOLDER")
    with ExitStack() as stack:
        yield [_load(name, folder, stack) for name, folder in wanted]


def _parse(spec: str) -> tuple[str, Path]:
    name, equals, folder = spec.partition("=")
    return (name, Path(folder)) if equals else (Path(spec).name or spec, Path(spec))


def _load(name: str, folder: Path, stack: ExitStack) -> Model:
    parts = {part: folder / part for part in PARTS if (folder / part / "model.toml").is_file()}
    if not parts and folder.name in PARTS:
        parts = {folder.name: folder}
    if not parts:
        raise ModelError(f"{folder}: holds neither {PARTS[0]}/model.toml nor {PARTS[1]}/model.toml")
    if len(parts) == len(PARTS):
        return Model(name, folder, PlateReader(folder), None)
    (missing,) = set(PARTS) - set(parts)
    together = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for part, path in {**parts, missing: OWN_MODELS / missing}.items():
        (together / part).symlink_to(path.resolve())
    return Model(name, folder, PlateReader(together), missing)
