"""Sends one record with a header whose name is not UTF-8: `python -m support.odd_header SERVERS TOPIC`.

The client for Python takes no such name, so librdkafka itself is called (rdkafka.h, `rd_kafka_producev`); in a process
of its own, because a mistake in ctypes ends one.
"""

import ctypes
import sys
from pathlib import Path

import confluent_kafka

TOPIC, VALUE, FLAGS, HEADERS, END = 1, 4, 7, 10, 0
COPY = 2


def main(servers: str, topic: str) -> None:
    """Send `{"id": 7}` with the header `caf\\xe9`, and wait until it is acknowledged."""
    package = Path(confluent_kafka.__file__).parent
    (path,) = (package.parent / "confluent_kafka.libs").glob("librdkafka*.so*")
    library, pointer = ctypes.CDLL(str(path)), ctypes.c_void_p
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, name).restype = pointer
    error, value = ctypes.create_string_buffer(512), b'{"id": 7}'
    settings = pointer(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(settings, b"bootstrap.servers", servers.encode(), error, ctypes.c_size_t(512))
    producer = pointer(library.rd_kafka_new(0, settings, error, ctypes.c_size_t(512)))
    headers = pointer(library.rd_kafka_headers_new(ctypes.c_size_t(1)))
    library.rd_kafka_header_add(headers, b"caf\xe9", ctypes.c_ssize_t(4), b"v", ctypes.c_ssize_t(1))
    code = library.rd_kafka_producev(
        producer,
        *(ctypes.c_int(TOPIC), topic.encode()),
        *(ctypes.c_int(VALUE), value, ctypes.c_size_t(len(value))),
        *(ctypes.c_int(FLAGS), ctypes.c_int(COPY)),
        *(ctypes.c_int(HEADERS), headers),
        ctypes.c_int(END),
    )
    code = code or library.rd_kafka_flush(producer, 30_000)
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
