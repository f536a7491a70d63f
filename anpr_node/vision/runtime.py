"""The only file that imports a TFLite runtime: LiteRT where it is installed, else tflite-runtime.

It runs one network and checks it against its contract; it knows nothing of plates.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anpr_node.errors import ModelError
from anpr_node.vision.contract import Contract, TensorSpec

Float32 = NDArray[np.float32]

RUNTIMES = (("litert", "ai_edge_litert.interpreter"), ("tflite-runtime", "tflite_runtime.interpreter"))
_INSTALL_HINT = "install one with `pip install 'anpr-node[litert]'` (or `[tflite]` on Python 3.11)"


def find_runtime() -> tuple[str, Any]:
    """Name and module of the first runtime that can be imported. Raises ModelError when there is none."""
    for name, module in RUNTIMES:
        try:
            return name, importlib.import_module(module)
        except ImportError:
            continue
    raise ModelError(f"no TFLite runtime is installed; {_INSTALL_HINT}")


class Network:
    """One int8 network with its own interpreter. Use it from one thread only; `run` releases the GIL."""

    def __init__(self, contract: Contract, threads: int = 1) -> None:
        """Load the file and compare it with `contract`. Raises ModelError when they differ."""
        self.contract = contract
        self._interpreter = _make_interpreter(contract.path, threads)
        self._input_index = self._check(self._interpreter.get_input_details(), [contract.input])[0]
        self._output_indices = self._check(self._interpreter.get_output_details(), list(contract.outputs))

    def _check(self, details: list[dict[str, Any]], specs: list[TensorSpec]) -> list[int]:
        """The tensor index of each spec; tensors are told apart by their shapes, which are all different."""
        found = {tuple(int(n) for n in d["shape"]): d for d in details}
        for spec in specs:
            if spec.shape not in found or found[spec.shape]["dtype"] is not np.int8:
                shapes = ", ".join(f"{s} {found[s]['dtype'].__name__}" for s in found)
                raise ModelError(
                    f"{self.contract.path}: model.toml promises {spec.name} as int8 {spec.shape}, "
                    f"the file has {shapes}; put back the model and model.toml of one release"
                )
        return [int(found[spec.shape]["index"]) for spec in specs]

    def run(self, pixels: NDArray[np.uint8]) -> tuple[Float32, ...]:
        """Grey uint8 of the input's shape to one float32 array per output, dequantised, batch axis dropped."""
        # scale 1/255 and zero point -128: quantising a grey value is flipping its top bit
        tensor = (pixels ^ 0x80).view(np.int8).reshape(self.contract.input.shape)
        self._interpreter.set_tensor(self._input_index, tensor)
        self._interpreter.invoke()
        return tuple(
            (self._interpreter.get_tensor(index)[0].astype(np.float32) - spec.zero_point) * np.float32(spec.scale)
            for index, spec in zip(self._output_indices, self.contract.outputs, strict=True)
        )


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep the runtime's own chatter (`INFO: Created TensorFlow Lite XNNPACK delegate`) off a technician's screen.

    It is written by C++ to file descriptor 2, past Python. Errors are raised as exceptions besides.
    """
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _make_interpreter(path: Path, threads: int) -> Any:
    name, module = find_runtime()
    try:
        with _quiet_stderr():
            interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError, SystemError) as error:
        # tflite-runtime with numpy 2 imports well and dies here with a SystemError
        raise ModelError(f"{path}: {name} cannot load it ({error}); {_INSTALL_HINT}") from error
    return interpreter
