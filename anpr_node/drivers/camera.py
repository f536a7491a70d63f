"""The camera seam: what the pipeline asks of any camera, real, replayed or simulated.

A camera hands out frames one at a time and never queues them: whoever is slow loses frames, and the gap shows in
`Frame.sequence`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from anpr_node.records import Frame


class Camera(Protocol):
    """One lane's camera, configured once when it is made. Close it when done; closing twice is fine."""

    def capture(self) -> Frame | None:
        """The next frame, or None when a recording has ended. Blocks for one trigger period at most.

        Raises:
            FrameTimeout: no exposure came: the trigger is stopped, or the camera stalled.
            CameraClosed: `close` was called.

        """
        ...

    def close(self) -> None:
        """Stop the stream and give back the buffers."""
        ...


@runtime_checkable
class Restartable(Protocol):
    """A camera whose stream can be stopped and started without configuring it again."""

    def restart(self) -> None:
        """Stop the stream, start it; the first frame may take longer."""
        ...
