"""The same network in PyTorch, built from the Keras graph: trains twice to four times as fast on a CPU, and on a GPU.

The Keras model stays the one definition, and what is exported; the twin lends it trained weights. It knows the layers
our networks use and refuses any other.
"""

from __future__ import annotations

import keras
import numpy as np
import torch
from keras import layers
from torch import nn
from torch.nn import functional


def _sides(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """How many rows (or columns) TensorFlow's "same" adds before and after; uneven where the stride is 2."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class _Convolution(nn.Module):
    """Conv2D or DepthwiseConv2D; `pad` is left, right, top, bottom."""

    def __init__(self, layer: layers.Layer) -> None:
        super().__init__()
        rows, columns, channels = layer.input.shape[1:]
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        out = channels if depthwise else layer.filters
        self.pad = (0, 0, 0, 0)
        if layer.padding == "same":
            high, wide = layer.kernel_size
            self.pad = (*_sides(columns, wide, layer.strides[1]), *_sides(rows, high, layer.strides[0]))
        even = self.pad[0] == self.pad[1] and self.pad[2] == self.pad[3]
        padding = (self.pad[2], self.pad[0]) if even else 0
        self.uneven = not even
        groups = channels if depthwise else 1
        self.conv = nn.Conv2d(channels, out, layer.kernel_size, layer.strides, padding, 1, groups, layer.use_bias)
        self.depthwise = depthwise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(functional.pad(x, self.pad) if self.uneven else x)

    def take(self, weights: list[np.ndarray]) -> None:
        order = (2, 3, 0, 1) if self.depthwise else (3, 2, 0, 1)
        self.conv.weight.data.copy_(torch.from_numpy(np.ascontiguousarray(weights[0].transpose(order))))
        if len(weights) > 1:
            self.conv.bias.data.copy_(torch.from_numpy(weights[1]))

    def give(self) -> list[np.ndarray]:
        order = (2, 3, 0, 1) if self.depthwise else (2, 3, 1, 0)
        kernel = self.conv.weight.detach().float().numpy(force=True).transpose(order)
        return [kernel] + ([] if self.conv.bias is None else [self.conv.bias.detach().numpy(force=True)])


class _Norm(nn.BatchNorm2d):
    def __init__(self, layer: layers.BatchNormalization) -> None:
        super().__init__(layer.output.shape[-1], eps=layer.epsilon, momentum=1 - layer.momentum)

    def _parts(self) -> list[torch.Tensor]:
        return [self.weight.data, self.bias.data, self.running_mean, self.running_var]

    def take(self, weights: list[np.ndarray]) -> None:
        for part, value in zip(self._parts(), weights, strict=True):
            part.copy_(torch.from_numpy(value))

    def give(self) -> list[np.ndarray]:
        return [part.numpy(force=True).copy() for part in self._parts()]


class _Dense(nn.Linear):
    def __init__(self, layer: layers.Dense) -> None:
        super().__init__(layer.input.shape[-1], layer.units)

    def take(self, weights: list[np.ndarray]) -> None:
        self.weight.data.copy_(torch.from_numpy(np.ascontiguousarray(weights[0].T)))
        self.bias.data.copy_(torch.from_numpy(weights[1]))

    def give(self) -> list[np.ndarray]:
        return [self.weight.detach().numpy(force=True).T.copy(), self.bias.detach().numpy(force=True).copy()]


class _Call(nn.Module):
    """A layer without weights."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        return self.function(*x)


def _rows_first(x: torch.Tensor) -> torch.Tensor:
    """Keras order (rows, columns, channels) for a tensor with places."""
    return x.permute(0, 2, 3, 1) if x.dim() == 4 else x


def _relu(layer: layers.ReLU) -> nn.Module:
    ceiling = layer.max_value
    return _Call(functional.relu if ceiling is None else lambda x: torch.clamp(x, 0, ceiling))


def _upsampling(layer: layers.UpSampling2D) -> nn.Module:
    return _Call(lambda x: functional.interpolate(x, scale_factor=layer.size, mode=layer.interpolation))


def _reshape(layer: layers.Reshape) -> nn.Module:
    return _Call(lambda x: _rows_first(x).reshape(len(x), *layer.target_shape))


_KINDS = {
    layers.Conv2D: _Convolution,
    layers.DepthwiseConv2D: _Convolution,
    layers.BatchNormalization: _Norm,
    layers.Dense: _Dense,
    layers.SpatialDropout2D: lambda layer: nn.Dropout2d(layer.rate),
    layers.AveragePooling2D: lambda layer: nn.AvgPool2d(layer.pool_size),
    layers.ReLU: _relu,
    layers.Add: lambda _: _Call(torch.add),
    layers.UpSampling2D: _upsampling,
    layers.Concatenate: lambda _: _Call(lambda *x: torch.cat(x, 1)),
    layers.Flatten: lambda _: _Call(lambda x: _rows_first(x).flatten(1)),
    layers.Reshape: _reshape,
}


def _module(layer: layers.Layer) -> nn.Module:
    if type(layer) not in _KINDS:
        raise TypeError(f"torch_twin knows no {type(layer).__name__} ({layer.name}); add it to _KINDS")
    return _KINDS[type(layer)](layer)


class Twin(nn.Module):
    """The network as a PyTorch module; takes [n, rows, columns, 1] and gives what the Keras model gives, as a list."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._keras = model
        self._plan: list[tuple[str, list[str]]] = []
        self.parts = nn.ModuleDict()
        for layer in model.layers:
            if isinstance(layer, layers.InputLayer):
                self._source = layer.name
                continue
            given = [tensor._keras_history.operation.name for tensor in layer._inbound_nodes[0].input_tensors]
            self._plan.append((layer.name, given))
            self.parts[layer.name] = _module(layer)
        self._outputs = [tensor._keras_history.operation.name for tensor in model.outputs]
        self.load_keras()
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        values = {self._source: x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)}
        for name, given in self._plan:
            values[name] = self.parts[name](*(values[source] for source in given))
        return [_rows_first(values[name]) for name in self._outputs]

    def _weighted(self) -> list[tuple[layers.Layer, nn.Module]]:
        return [(layer, self.parts[layer.name]) for layer in self._keras.layers if layer.get_weights()]

    def load_keras(self) -> None:
        """Take the Keras model's weights."""
        for layer, part in self._weighted():
            part.take([np.asarray(weight) for weight in layer.get_weights()])

    def weights(self) -> list[np.ndarray]:
        """The weights as `keras.Model.set_weights` wants them: all layers' in their order."""
        return [weight for _, part in self._weighted() for weight in part.give()]


def prepare(threads: int) -> torch.device:
    """Use a GPU where there is one, else `threads` cores; returns where the network shall live."""
    torch.set_num_threads(threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Learner:
    """A twin under training with AdamW in bfloat16, and the moving average of its weights: those are what counts."""

    def __init__(self, model: keras.Model, device: torch.device, weight_decay: float, average_keep: float) -> None:
        self.twin = Twin(model).to(device)
        self.optimizer = torch.optim.AdamW(self.twin.parameters(), 1e-3, weight_decay=weight_decay)
        self._device, self._keep, self.steps = device, average_keep, 0
        self._averaged = {name: value.clone() for name, value in self.twin.state_dict().items()}

    def step(self, pixels: np.ndarray, rate: float, loss_of) -> float:
        """One batch of grey uint8 [n, rows, columns, 1]; `loss_of` takes the list of outputs in float32."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.twin.train()
        grey = torch.from_numpy(pixels).to(self._device).float() / 255
        with torch.autocast(self._device.type, torch.bfloat16):
            outputs = self.twin(grey)
        loss = loss_of([value.float() for value in outputs])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.twin.parameters(), 5.0)
        self.optimizer.step()
        self.steps += 1
        self._follow()
        return float(loss.detach())

    def _follow(self) -> None:
        # early on the average must forget faster, or it remembers the random start
        keep = min(self._keep, self.steps / (self.steps + 10))
        for name, value in self.twin.state_dict().items():
            if value.is_floating_point():
                self._averaged[name].lerp_(value, 1 - keep)

    def tensor(self, values: np.ndarray) -> torch.Tensor:
        """An array where the network lives."""
        return torch.from_numpy(values).to(self._device)

    def averaged_weights(self) -> list[np.ndarray]:
        """The moving average, in Keras order."""
        now = {name: value.clone() for name, value in self.twin.state_dict().items()}
        self.twin.load_state_dict(self._averaged)
        weights = self.twin.weights()
        self.twin.load_state_dict(now)
        return weights

    def state(self) -> dict:
        """All that a resumed run needs."""
        return {"twin": self.twin.state_dict(), "averaged": self._averaged, "optimizer": self.optimizer.state_dict(),
                "steps": self.steps}  # fmt: skip

    def load(self, path) -> dict:
        """A file of `save_state` where this network lives: a run on a GPU may go on on a CPU, and the other way."""
        return torch.load(path, map_location=self._device, weights_only=True)

    def restore(self, state: dict) -> None:
        """Go on from `state()`."""
        self.twin.load_state_dict(state["twin"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._averaged, self.steps = state["averaged"], state["steps"]


def save_state(state: dict, path) -> None:
    """Write beside the old file and move over it, so that a kill never leaves half a checkpoint."""
    beside = path.with_name("writing-" + path.name)
    torch.save(state, beside)
    beside.replace(path)
