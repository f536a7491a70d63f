"""Knocks at every TCP port of an address; prints which opened and which refused, as JSON. The silent are in neither.

No test. Usage: port_scan.py ADDRESS PATIENCE_S
"""

from __future__ import annotations

import asyncio
import json
import sys

AT_ONCE, TRIES = 800, 2
PORTS = range(1, 65_536)


async def knock(address: str, port: int, patience_s: float, gate: asyncio.Semaphore) -> str:
    """What a port does with whoever comes; asked again if it is silent, as the first question can get lost."""
    for _ in range(TRIES):
        async with gate:
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), patience_s)
            except ConnectionRefusedError:
                return "closed"
            except (TimeoutError, OSError):
                continue
            writer.close()
            return "open"
    return "silent"


async def main(address: str, patience_s: float) -> None:
    """All of them, some hundred at a time."""
    gate = asyncio.Semaphore(AT_ONCE)
    answers = await asyncio.gather(*(knock(address, port, patience_s, gate) for port in PORTS))
    found = {word: [port for port, said in zip(PORTS, answers, strict=True) if said == word] for word in set(answers)}
    print(json.dumps({"open": found.get("open", []), "closed": found.get("closed", [])}))  # noqa: T201


asyncio.run(main(sys.argv[1], float(sys.argv[2])))
