"""What every command of one session has at hand: the terminal, the person, the settings, the node."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anpr_node import audit
from anpr_node.access import Person
from anpr_node.config import Settings, load
from anpr_node.console.line import History
from anpr_node.console.node_link import NodeLink
from anpr_node.console.terminal import Terminal
from anpr_node.errors import AnprError
from anpr_node.records import Plane, PlateBox

if TYPE_CHECKING:  # models are loaded only when something is measured
    from anpr_node.calibration.survey import Survey
    from anpr_node.vision.detector import Detector

PLATES = "console plates"
"""The right to see plates in clear."""


class NotUnderstood(AnprError, ValueError):
    """A command was typed in a way it does not have."""


@dataclass
class Context:
    """One session of one person. `pending` are settings that were set, and neither tried nor saved."""

    terminal: Terminal
    person: Person
    settings: Settings
    history: History = field(default_factory=History)
    pending: dict[str, Any] = field(default_factory=dict)
    survey: Survey | None = None
    detector: Detector | None = None
    last_edge_px: float | None = None
    was_sharper: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    """What the session made and `pull` can fetch."""

    @property
    def folder(self) -> Path:
        """The state folder."""
        return self.settings.state_folder

    @property
    def node(self) -> NodeLink:
        """The line to the running node."""
        return NodeLink.of(self.settings)

    @property
    def sees_plates(self) -> bool:
        """Whether plates may be shown in clear."""
        return self.person.may(PLATES)

    def reread(self) -> None:
        """Settings may have been changed by another session, or a trial may be over. Raises ConfigError."""
        if self.settings.source is not None:
            self.settings = load(self.settings.source)
        if self.survey is not None:
            self.survey.use(self.settings)

    def note(self, action: str, outcome: str = "done", **detail: Any) -> None:
        """Write down what the person does. Raises StoreError: then it must not happen."""
        audit.append(self.folder, audit.Entry(self.person.name, f"console {action}", outcome, detail=detail))

    def measuring(self) -> Survey:
        """The session's measurements; the model is loaded with the first. Raises ModelError."""
        if self.survey is None:
            from anpr_node.calibration.survey import Survey

            self.survey = Survey(self.settings, self.node, self._finder().second_look)
        return self.survey

    def search(self, pixels: Plane) -> list[PlateBox]:
        """Every plate of a picture that a thorough search finds. Raises ModelError."""
        return self._finder().search(pixels)

    def _finder(self) -> Detector:
        if self.detector is None:
            from anpr_node.vision.detector import Detector

            self.detector = Detector(self.settings.models_folder / "plate_detector")
        return self.detector
