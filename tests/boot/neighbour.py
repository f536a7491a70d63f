"""Asks everybody on a link for an answer (ICMPv6 echo), and prints the address of the first who gives one. No test.

Usage: neighbour.py INTERFACE TIMEOUT_S. It ends with 1 where nobody answers.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

REQUEST, REPLY = 128, 129
EVERYBODY = "ff02::1"

interface, until_s = sys.argv[1], time.monotonic() + float(sys.argv[2])
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as knocker:
    knocker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    knocker.settimeout(1.0)
    while time.monotonic() < until_s:
        message = struct.pack("!BBHHH", REQUEST, 0, 0, 1, 1)  # the kernel fills in the checksum
        knocker.sendto(message, (EVERYBODY, 0, 0, socket.if_nametoindex(interface)))
        try:
            answer, (address, *_) = knocker.recvfrom(100)
        except TimeoutError:
            continue
        if answer[0] == REPLY:
            sys.stdout.write(address)
            sys.exit(0)
sys.exit(1)
