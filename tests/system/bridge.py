"""A network bridge of this machine, made and removed by the kernel's own calls: no program need be installed for it."""

import contextlib
import fcntl
import socket
import struct
from collections.abc import Iterator

ADD, REMOVE = 0x89A0, 0x89A1  # SIOCBRADDBR, SIOCBRDELBR
SET_ADDRESS, SET_MASK, SET_FLAGS = 0x8916, 0x891C, 0x8914  # SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS
UP, DOWN = 0x1043, 0x1002  # up, running, broadcast, multicast; broadcast, multicast
MASK = "255.255.255.0"


@contextlib.contextmanager
def bridge(name: str, address: str) -> Iterator[None]:
    """Have a bridge with the /24 network of `address` for as long as the block lasts.  Needs root."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
        with contextlib.suppress(OSError):
            _remove(kernel, name)  # somebody with our number was killed
        fcntl.ioctl(kernel, ADD, _name(name))
        try:
            for request, value in ((SET_ADDRESS, address), (SET_MASK, MASK)):
                place = struct.pack("16sH2s4s8s", name.encode(), socket.AF_INET, b"", socket.inet_aton(value), b"")
                fcntl.ioctl(kernel, request, place)
            fcntl.ioctl(kernel, SET_FLAGS, _flags(name, UP))
            yield
        finally:
            _remove(kernel, name)


def exists(name: str) -> bool:
    return name in {each for _, each in socket.if_nameindex()}


def _remove(kernel: socket.socket, name: str) -> None:
    fcntl.ioctl(kernel, SET_FLAGS, _flags(name, DOWN))
    fcntl.ioctl(kernel, REMOVE, _name(name))


def _name(name: str) -> bytes:
    return name.encode() + b"\0"


def _flags(name: str, flags: int) -> bytes:
    return struct.pack("16sH14s", name.encode(), flags, b"")
