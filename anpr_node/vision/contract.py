"""What a model promises: model.toml beside the weights, read and checked against the file's SHA-256.

It never loads the network itself; `runtime` does.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anpr_node.errors import ModelError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorSpec(_Strict):
    """Shape with batch axis, and quantisation: real = (int8 - zero_point) * scale."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["int8"]
    scale: float = Field(gt=0)
    zero_point: int = Field(ge=-128, le=127)


class Contract(_Strict):
    """The part of a model.toml that both models share."""

    name: str
    model_id: str
    file: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    licence: str
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    folder: Path = Path()

    @property
    def path(self) -> Path:
        """The weights."""
        return self.folder / self.file


class DetectorSettings(_Strict):
    """How the detector's outputs are to be used; scores 0..1, window in plate widths.

    A plate that is `sharp_from_px` wide in the network's input at the first look needs no second one.
    """

    stride: int
    pad_value: int = Field(ge=0, le=255)
    first_threshold: float = Field(gt=0, lt=1)
    zoom_threshold: float = Field(gt=0, lt=1)
    zoom_window_widths: float = Field(gt=1)
    sharp_from_px: float = Field(gt=0)
    nms_iou: float = Field(gt=0, lt=1)


class DetectorContract(Contract):
    """model.toml of a plate detector."""

    detector: DetectorSettings


class RecognizerSettings(_Strict):
    """Alphabet, geometry and calibration of the recogniser.

    Aspects are width/height of a rectified plate: below `two_lines_below` it is cut in two, between the two bounds
    both ways are tried. Texts with less confidence than `reject_below` are noise, and so
    are those that their country is not known to issue with less than `reject_odd_below`; a country is named from a
    score of `country_above` up. Margins are shares of the plate's
    width and height added on each side before rectifying.
    """

    alphabet: str
    blank_index: int
    countries: tuple[str, ...]
    two_lines_below: float
    one_line_above: float
    upper_line_ends: float = Field(gt=0, lt=1)
    lower_line_begins: float = Field(gt=0, lt=1)
    margin_x: float
    margin_y: float
    reject_below: float = Field(ge=0, lt=1)
    reject_odd_below: float = Field(ge=0, lt=1)
    country_above: float = Field(ge=0, lt=1)
    confidence_slope: float
    confidence_offset: float


class RecognizerContract(Contract):
    """model.toml of a plate recogniser."""

    recognizer: RecognizerSettings


C = TypeVar("C", bound=Contract)


def load_contract(kind: type[C], folder: Path) -> C:
    """Read `folder`/model.toml and compare the weights with it.

    Raises:
        ModelError: missing or malformed model.toml, missing weights, or a SHA-256 that differs.

    """
    path = folder / "model.toml"
    contract = _parse(kind, path, {"folder": folder, **_read_toml(path)})
    _check_hash(contract)
    return contract


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file; set [models] folder to where the models are") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: not readable ({error})") from error


def _parse(kind: type[C], path: Path, content: dict[str, Any]) -> C:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ModelError(f"{path}: {problems}") from error


def _check_hash(contract: Contract) -> None:
    try:
        found = hashlib.sha256(contract.path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{contract.path}: not readable ({error.strerror}); install the model again") from error
    if found != contract.sha256:
        raise ModelError(
            f"{contract.path}: SHA-256 is {found[:12]}…, model.toml promises {contract.sha256[:12]}…; "
            "the file is damaged or of another release: install the model again"
        )
