"""What every table of node.toml has in common: unknown keys are refused, values are strict, nothing changes later."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of node.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
