"""The librdkafka properties a pipeline may not set: each with why, and what to use instead."""

_OFFSETS = "the ledger alone decides how far a partition is; leave it out"
_HOLES = "an offset would be skipped in silence; it is fixed, leave it out"
_PRODUCER = "a dead letter could be lost or doubled; it is fixed, leave it out"
_CODE = "it makes the client load or run code from a path; leave it out"

_REFUSED = {
    "bootstrap.servers": "use kafka.bootstrap_servers",
    "metadata.broker.list": "use kafka.bootstrap_servers",
    "group.id": "use kafka.group_id",
    "group.protocol": "use kafka.group_protocol",
    "group.instance.id": "two hosts with the same one throw each other out; leave it out",
    "partition.assignment.strategy": "the supervisor needs cooperative-sticky; leave it out",
    "security.protocol": "use kafka.security.protocol",
    "sasl.mechanism": "use kafka.security.mechanism",
    "sasl.mechanisms": "use kafka.security.mechanism",
    "sasl.username": "use kafka.security.username",
    "sasl.password": "use kafka.security.password",
    "ssl.ca.location": "use kafka.security.ca",
    "ssl.certificate.location": "use kafka.security.certificate",
    "ssl.ca.pem": "use kafka.security.ca",
    "ssl.certificate.pem": "use kafka.security.certificate",
    "ssl.key.location": "use kafka.security.key",
    "ssl.key.pem": "use kafka.security.key",
    "ssl.key.password": "use kafka.security.key_password",
    "enable.auto.commit": _OFFSETS,
    "auto.commit.enable": _OFFSETS,
    "auto.commit.interval.ms": _OFFSETS,
    "enable.auto.offset.store": _OFFSETS,
    "offset.store.method": _OFFSETS,
    "auto.offset.reset": f"{_HOLES}; kafka.start says where the very first start begins",
    "isolation.level": f"aborted transactions would land; {_HOLES}",
    "check.crcs": "a record altered on the way would land; it is always on, leave it out",
    "enable.partition.eof": "the worker needs it to know the end; it is always on, leave it out",
    "allow.auto.create.topics": "a misspelt topic would be made; `streamlake topics apply` makes topics",
    "topic.blacklist": f"topics are named in kafka.topics; {_HOLES}",
    "enable.idempotence": _PRODUCER,
    "acks": _PRODUCER,
    "request.required.acks": _PRODUCER,
    "max.in.flight": _PRODUCER,
    "max.in.flight.requests.per.connection": _PRODUCER,
    "transactional.id": _PRODUCER,
    "delivery.report.only.error": _PRODUCER,
    "plugin.library.paths": _CODE,
    "sasl.kerberos.kinit.cmd": _CODE,
    "ssl.engine.location": _CODE,
    "ssl.engine.id": _CODE,
    "ssl.providers": _CODE,
}
_REFUSED_PREFIXES = {
    "ssl.engine.": _CODE,
    "ssl.engine_": _CODE,
    "test.": "it replaces Kafka by a pretended broker; leave it out",
}
_REFUSED_SUFFIXES = {"_cb": "it is a function, not a setting; leave it out"}


def why_refused(name: str) -> str | None:
    """Why the property `name` may not be set and what to use instead; None where it may be set."""
    if name in _REFUSED:
        return _REFUSED[name]
    for prefix, why in _REFUSED_PREFIXES.items():
        if name.startswith(prefix):
            return why
    for suffix, why in _REFUSED_SUFFIXES.items():
        if name.endswith(suffix):
            return why
    return None
