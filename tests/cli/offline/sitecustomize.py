"""Put on a process's path by ``test_network``: refuses to leave this machine, and writes down every attempt.

It sees what Python does; what a compiled library does by itself, it does not.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import Any

HERE = ("", "localhost", "ip6-localhost")


def _is_here(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name in HERE:
        return True
    try:
        address = ipaddress.ip_address(str(name).split("%")[0])
    except ValueError:  # a name that would have to be looked up
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(what: str, target: Any) -> None:
    with Path(os.environ["OUTGOING"]).open("a") as file:
        file.write(f"{what} {target!r} by {' '.join(sys.orig_argv)[:200]}\n")
    raise PermissionError(f"{what} {target!r}: nothing may leave this machine")


def _guard_method(name: str) -> None:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *arguments: Any) -> Any:
        target = arguments[-1]
        if self.family != socket.AF_UNIX and isinstance(target, tuple) and not _is_here(target[0]):
            _refuse(name, target)
        return original(self, *arguments)

    setattr(socket.socket, name, guarded)


def _guard_lookup(name: str) -> None:
    original = getattr(socket, name)

    def guarded(host: Any, *arguments: Any, **named: Any) -> Any:
        if not _is_here(host):
            _refuse(name, host)
        return original(host, *arguments, **named)

    setattr(socket, name, guarded)


for method in ("connect", "connect_ex", "sendto"):
    _guard_method(method)
for lookup in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
    _guard_lookup(lookup)
