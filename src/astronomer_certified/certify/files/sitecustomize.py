"""Makes the processes of a certification believe that they run on a host of their own, with an address of its own.

Two workers of one machine cannot both serve their logs on one port of every address, and the webserver asks for the
logs of each at the host that the worker says it is. So who would listen on every address listens on that of its host,
which is 127.0.0.2, say, and its name is that address.
"""

import os
import socket

_ADDRESS = os.environ.get("CERTIFIED_HOST", "")
_bind = socket.socket.bind


def _bind_here(self, address):
    if isinstance(address, tuple) and address[0] in ("", "0.0.0.0"):
        address = (_ADDRESS,) + tuple(address[1:])
    return _bind(self, address)


if _ADDRESS:
    socket.socket.bind = _bind_here
    socket.getfqdn = lambda name="": _ADDRESS
    socket.gethostname = lambda: _ADDRESS
