"""How a socket is let go so that nobody's request is lost with it; what only the kernel can see, it is asked."""

import ctypes
import fcntl
import os
import selectors
import socket
import struct
import sys
import termios
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress

TURNED_AWAY_MAX = 1000
"""Of each socket; its queue holds no more than twice as many."""
_SO_ATTACH_FILTER = 26
"""Linux's; Python has no name for it."""
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_TCP_FLAGS_AT, _SYN = 13, 2
_NO_SYN = (
    (_LOAD_BYTE, 0, 0, _TCP_FLAGS_AT),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)
"""A filter in the kernel's own instructions (`struct sock_filter`): what asks for a connection is dropped."""


def let_nobody_in(listening: socket.socket) -> bool:
    """From now on no connection begins at a listening socket; those that have begun can be accepted until it is closed.

    When a socket is closed, the kernel resets what waits in its queue. A client that comes now hears nothing, asks
    again after a second, and is refused then, or accepted by a server that has been started meanwhile. Holds for all
    processes that have the socket, for good. Returns False where there is no such filter, which is not on Linux.
    """
    if not sys.platform.startswith("linux"):
        return False
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in _NO_SYN))
    try:
        listening.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_SYN), ctypes.addressof(code))
        )
    except OSError:
        return False
    return True


def hang_up(descriptor: int) -> bool:
    """Send the connection's end (FIN), unless something has come that nobody has read: then it is left as it is.

    Returns whether it is sent. What a client sends from now on it has sent knowing that it may be too late: with a
    mere `close` it could have been sent any time since the loop last looked.
    """
    with socket.socket(fileno=os.dup(descriptor)) as same:
        # Nothing between the look and the end: what comes there is never answered.
        if struct.unpack("i", fcntl.ioctl(same, termios.FIONREAD, bytes(4)))[0]:
            return False
        with suppress(OSError):  # it may have ended by itself
            same.shutdown(socket.SHUT_WR)
    return True


def turn_away(listening: Sequence[socket.socket], answer: bytes, seconds: float) -> int:
    """Accept who still waits at the sockets, in the place of workers: whoever has sent something gets `answer`.

    What they send is read to its end, but no longer than `seconds`: a connection that is closed with something
    unread is reset, perhaps before the answer is read. Returns how many were answered.
    """
    until = time.monotonic() + seconds
    answered = 0
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for one in filter(None, map(_accepted, (each for each in listening for _ in range(TURNED_AWAY_MAX)))):
            selector.register(stack.enter_context(one), selectors.EVENT_READ, False)
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                client, is_answered = key.fileobj, key.data
                assert isinstance(client, socket.socket), "registered above"
                with suppress(OSError):
                    if client.recv(65_536):
                        if not is_answered:
                            client.sendall(answer)
                            client.shutdown(socket.SHUT_WR)
                            selector.modify(client, selectors.EVENT_READ, True)
                            answered += 1
                        continue
                selector.unregister(client)
    return answered


def _accepted(listening: socket.socket) -> socket.socket | None:
    try:
        client, _ = listening.accept()
    except OSError:
        return None
    client.setblocking(False)
    return client
