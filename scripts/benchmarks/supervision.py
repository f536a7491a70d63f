"""What watching costs: in the loop for each frame, and beside it for each look at a small plane."""

from __future__ import annotations

import statistics

from anpr_node import config
from anpr_node.drivers.platform import open_platform
from anpr_node.supervision.limits import LOOK_PERIOD_S
from anpr_node.supervision.numbers import measure
from anpr_node.supervision.supervisor import Supervisor
from anpr_node.watch import watched
from benchmarks.timing import cpu_ms


def bench(frames: int) -> None:
    settings = config.Settings()
    platform, camera = watched(open_platform(settings, realtime=False))
    platform.start(settings.camera)
    supervisor = Supervisor(platform.clock)
    noted, looks = [], []
    for _ in range(frames):
        frame = platform.camera.capture()
        assert frame is not None
        noted.append(cpu_ms(lambda f=frame: camera._note(f, True, False)))  # type: ignore[misc]
        for sample in camera.drain()[1]:
            looks.append(cpu_ms(lambda s=sample: supervisor.look(measure(s.mark, s.small))))  # type: ignore[misc]
    platform.close()
    share = (statistics.mean(noted) * settings.camera.fps + statistics.mean(looks) / LOOK_PERIOD_S) / 1000
    print("supervision: CPU ms, mean")
    print(f"  a frame {statistics.mean(noted):.4f} in the loop; a look {statistics.mean(looks):.2f} beside it, "
          f"most {max(looks):.2f}; {share:.2%} of a core at {settings.camera.fps:g} frames a second")  # fmt: skip
