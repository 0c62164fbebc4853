"""A full disk is said once for all partitions of a host, and once that there is room again."""

from structlog.testing import capture_logs

from streamlake.engine.full_disk import FullDisk
from streamlake.engine.records import TopicPartition
from streamlake.engine.state import PartitionState


def test_it_is_said_at_the_first_wait_and_at_the_last_ones_end() -> None:
    one, other = (PartitionState(TopicPartition("orders", number)) for number in (0, 1))
    disk = FullDisk()
    with capture_logs() as logs:
        for state in (other, one, other):
            state.storage_since = "now"
            disk.take("disk full: /lake: no room, 7 bytes are free", (one, other))
        one.storage_since = None
        disk.take(None, (one, other))
        assert len(logs) == 1
        other.storage_since = None
        disk.take(None, (one, other))
        disk.take(None, (one, other))
    assert [(line["event"], line.get("why"), line.get("partitions")) for line in logs] == [
        ("the disk is full, waiting", "/lake: no room, 7 bytes are free", ["orders/1"]),
        ("there is room on the disk again", None, None),
    ]


def test_other_waits_are_not_taken_for_it() -> None:
    with capture_logs() as logs:
        FullDisk().take("timeout", ())
        FullDisk().take(None, ())
    assert logs == []
