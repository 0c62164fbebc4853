"""Reads a whole topic and drops it, to know what librdkafka alone costs: by its C functions, or from Python.

    python benchmarks/drains.py c|python TOPIC PARTITIONS RECORDS     prints {"cpu": …, "wall": …, "records": …}

`c`: the librdkafka in the confluent-kafka wheel, called by ctypes. Each message is handed to a C function that does
nothing (libc's `abs`), so no Python runs per message. `python`: `Consumer.consume()` in large lists.
"""

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka

PROPERTIES = {
    "bootstrap.servers": os.environ.get("KAFKA_BOOTSTRAP_SERVERS", ""),
    "group.id": "streamlake.bench.drain",
    "enable.auto.commit": "false",
    "check.crcs": "true",
    "isolation.level": "read_committed",
    "queued.max.messages.kbytes": "16384",  # as the engine's workers
}
CONSUMER = 1  # rd_kafka_type_t
MESSAGES_MAX = 20_000
Pointer = ctypes.c_void_p


def main(way: str, topic: str, partitions: int, records: int) -> None:
    """Read `records` messages; the CPU seconds are those of this whole process from then on that it connects."""
    connect = {"c": _by_c, "python": _by_python}[way]
    began, cpu = time.monotonic(), time.process_time()
    consume, done = connect(topic, partitions), 0
    while done < records:
        done += consume()
    print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.monotonic() - began, "records": done}))
    sys.stdout.flush()
    os._exit(0)  # closing is not what is measured


def _by_python(topic: str, partitions: int) -> Callable[[], int]:
    consumer = confluent_kafka.Consumer(PROPERTIES)
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in range(partitions)])
    return lambda: len(consumer.consume(MESSAGES_MAX, timeout=0.05))


def _by_c(topic: str, partitions: int) -> Callable[[], int]:
    """See rdkafka.h for every call."""
    (path,) = (Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka*")
    library, said = ctypes.CDLL(str(path)), ctypes.create_string_buffer(512)

    def call(name: str, *arguments: Any, gives: Any = Pointer) -> Any:
        function = getattr(library, f"rd_kafka_{name}")
        function.restype = gives
        return function(*arguments)

    conf = Pointer(call("conf_new"))
    for name, value in PROPERTIES.items():
        if call("conf_set", conf, name.encode(), value.encode(), said, ctypes.c_size_t(512), gives=ctypes.c_int):
            raise ValueError(said.value.decode())
    client = Pointer(call("new", CONSUMER, conf, said, ctypes.c_size_t(512)))
    wanted = Pointer(call("topic_partition_list_new", partitions))
    for number in range(partitions):
        call("topic_partition_list_add", wanted, topic.encode(), number)
        call("topic_partition_list_set_offset", wanted, topic.encode(), number, ctypes.c_int64(0), gives=ctypes.c_int)
    if call("assign", client, wanted, gives=ctypes.c_int):
        raise ValueError("librdkafka refused the assignment")
    queue = Pointer(call("queue_get_consumer", client))
    drop = ctypes.cast(ctypes.CDLL(None).abs, Pointer)
    return lambda: max(0, call("consume_callback_queue", queue, 1000, drop, None, gives=ctypes.c_int))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
