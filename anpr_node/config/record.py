"""Where the record is kept, and for how long it may be. Writes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from anpr_node.config.section import Section
from anpr_node.policy import Terms, presets


class StoreSection(Section):
    """Where the record is kept."""

    folder: str | None = Field(None, description="the state folder")
    quota_mb: int = Field(24_000, ge=50, le=10_000_000, description="the record grows no larger than this")
    free_mb_min: int = Field(500, ge=10, le=1_000_000, description="nor leaves less than this free on the card")
    sealed_for: str | None = Field(None, description="PEM file: only the holder of this X25519 key can read the reads")


class PolicySection(Section):
    """The law the node lives under; anpr_node/policy/retention.toml has the terms and their sources."""

    preset: Literal["BE", "NL", "FR", "UK", "DE"] = Field("BE", description="the country's terms: docs/record.md")
    reads_days: int | None = Field(None, ge=0, le=365, description="shorter than the preset's, never longer")
    hits_days: int | None = Field(None, ge=0, le=365, description="the same for reads that are on a list")

    @model_validator(mode="after")
    def _hits_stay_as_long_as_reads(self) -> PolicySection:
        if self.terms.hits_days < self.terms.reads_days:
            raise ValueError(f"hits_days is shorter than reads_days ({self.terms.reads_days}): shorten that one too")
        return self

    @property
    def terms(self) -> Terms:
        """The preset's, shortened where the site wants less."""
        terms = presets()[self.preset]
        shorter = {
            name: min(own, getattr(terms, name))
            for name in ("reads_days", "hits_days")
            if (own := getattr(self, name)) is not None
        }
        return replace(terms, **shorter)
