"""A node's sending half as a program of its own: uplink, keeper, a writer of new hits, a loop that is timed.

    python uplink_sender.py NODE.toml          prints one JSON object a line; ends with SIGTERM
    python uplink_sender.py NODE.toml forks    for each line of its input: fork a whole node, and print its process id

No test of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from uplink_kit import NO_PICTURES, hit

from anpr_node import service
from anpr_node.config import Settings, load
from anpr_node.drivers.clock import SystemClock
from anpr_node.keeper import Keeper
from anpr_node.store.database import open_store
from anpr_node.store.reads import add_read
from anpr_node.uplink.uplink import Uplink

FRAME_S = 1 / 30
HIT_EVERY_S = 5.0


def say(**content: object) -> None:
    """One line, whole."""
    os.write(1, (json.dumps(content) + "\n").encode())


def resident_kb() -> int:
    """The memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def keep(settings: Settings, stopping: threading.Event) -> None:
    """The keeper, as the node has it beside."""
    with closing(open_store(settings.state_folder, 0.05)) as database:
        keeper = Keeper(database, settings, SystemClock(), "test")
        while not stopping.wait(0.5):
            try:
                keeper.tick()
            except Exception as error:
                say(keeper=str(error))


def write_hits(settings: Settings, stopping: threading.Event) -> None:
    """A new hit every few seconds, as the recorder commits it."""
    from makers import read

    number = 0
    with closing(open_store(settings.state_folder, 0.2)) as database:
        while not stopping.wait(HIT_EVERY_S):
            read_id = f"new-{os.getpid()}-{number}"
            started_s = time.monotonic()
            add_read(database, read("1ABC123", read_id, at_s=time.time()), NO_PICTURES, [hit(read_id)])
            number += 1
            say(hit=f"h-{read_id}-seize", at_s=time.monotonic(), commit_s=time.monotonic() - started_s)


def loop(stopping: threading.Event) -> None:
    """Thirty times a second, some work; how late each turn began."""
    late_ms: list[float] = []
    due_s = time.monotonic()
    while not stopping.is_set():
        due_s = max(due_s + FRAME_S, time.monotonic() - 1)
        time.sleep(max(0.0, due_s - time.monotonic()))
        late_ms.append((time.monotonic() - due_s) * 1000)
        sum(number * number for number in range(20_000))
    late_ms.sort()
    say(loop_late_ms_median=late_ms[len(late_ms) // 2], loop_late_ms_p99=late_ms[len(late_ms) * 99 // 100])


def run(settings: Settings, stopping: threading.Event) -> None:
    """Everything, until it is to stop."""
    uplink = Uplink(settings, SystemClock(), lambda: {"running": None})
    helpers = [
        threading.Thread(target=keep, args=(settings, stopping)),
        threading.Thread(target=write_hits, args=(settings, stopping)),
        threading.Thread(target=loop, args=(stopping,)),
        threading.Thread(target=uplink.run, args=(stopping,)),
    ]
    for thread in helpers:
        thread.start()
    while not stopping.wait(1.0):
        say(rss_kb=resident_kb(), cpu_s=time.process_time())
    for thread in helpers:
        thread.join()


def fork_nodes(settings: Settings) -> None:
    """Everything is imported already, so that a node is there in no time."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            service.run(settings)
            os._exit(0)
        say(pid=child)
        os.waitpid(child, 0)


def main() -> None:
    """See above."""
    settings = load(Path(sys.argv[1]))
    if sys.argv[2:] == ["forks"]:
        fork_nodes(settings)
        return
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    run(settings, stopping)


if __name__ == "__main__":
    main()
