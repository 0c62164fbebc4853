"""One request of Kafka's protocol, SaslHandshake: a listener's answer says whether it wants a sign-in, and which.

https://kafka.apache.org/protocol.html#The_Messages_SaslHandshake
"""

import socket
import struct
from dataclasses import dataclass

_KEY, _VERSION = 17, 1
_ILLEGAL_SASL_STATE = 34
_ANSWER_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Offered:
    """What a listener offers: whether it wants a sign-in, and by which mechanisms (told where ours is not one)."""

    sign_in: bool
    mechanisms: tuple[str, ...]


def offered(connection: socket.socket, mechanism: str) -> Offered | None:
    """What the listener says to our wish to sign in by `mechanism`; None where it does not speak Kafka's protocol.

    Raises OSError (ssl.SSLError, too) where the connection is torn down or stays silent.
    """
    name = mechanism.encode()
    head = struct.pack(">hhih", _KEY, _VERSION, 1, -1)
    body = head + struct.pack(">h", len(name)) + name
    connection.sendall(struct.pack(">i", len(body)) + body)
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    if not 8 <= size <= _ANSWER_BYTES_MAX:
        return None
    answer = _exactly(connection, size)
    correlation, code, count = struct.unpack_from(">ihi", answer)
    if correlation != 1:
        return None
    return Offered(code != _ILLEGAL_SASL_STATE, _names(answer[10:], count))


def _names(data: bytes, count: int) -> tuple[str, ...]:
    names: list[str] = []
    for _ in range(count):
        (length,) = struct.unpack_from(">h", data)
        names.append(data[2 : 2 + length].decode(errors="replace"))
        data = data[2 + length :]
    return tuple(names)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        some = connection.recv(size - len(data))
        if not some:
            raise ConnectionResetError("closed by the other side")
        data += some
    return data
