"""librdkafka's own log lines as Python's, without the hundredfold: a broker that is away is said now and then."""

import logging
import re
import time

AGAIN_SECONDS = 30.0

_ADDRESS_OR_NUMBER = re.compile(r"\d+")


class SeldomTheSame(logging.Filter):
    """Lets a line pass that was not seen for AGAIN_SECONDS; numbers in it (addresses, times) don't make it another."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True where the line shall be shown."""
        if record.levelno < logging.INFO:
            return True  # somebody has asked for them by kafka.properties.debug
        now = time.monotonic()
        line = _ADDRESS_OR_NUMBER.sub("#", record.getMessage())
        self._seen = {each: at for each, at in self._seen.items() if now - at < AGAIN_SECONDS}
        fresh = line not in self._seen
        self._seen.setdefault(line, now)
        return fresh


class InFields(logging.Filter):
    """Takes a line apart: its event is `librdkafka`, and what varies stands in `facility`, `client` and `text`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true. A line is `"%s [%s] %s"` with these three, by confluent-kafka as by our own reader."""
        if isinstance(record.args, tuple) and len(record.args) == len(FIELDS):
            record.fields = dict(zip(FIELDS, record.args, strict=True))
            record.msg, record.args = "librdkafka", ()
        return True


FIELDS = ("facility", "client", "text")
"""Of a line; `engine/logs.py` shows what stands in a record's `fields`."""
logger = logging.getLogger("streamlake.kafka")
"""Where librdkafka's own log lines go (they appear when the client is polled)."""
logger.addFilter(SeldomTheSame())
logger.addFilter(InFields())  # after the other one, which looks at the whole line
