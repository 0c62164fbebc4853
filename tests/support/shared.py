"""What the session's fixtures hand out, by a name that tests can import."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SharedKafka:
    """A cluster that other tests use, too: make topics and groups of your own, and leave its nodes alone."""

    bootstrap_servers: str
