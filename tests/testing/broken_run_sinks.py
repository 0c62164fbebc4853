"""Sinks that don't keep several runs apart, each in one way (see `broken_sinks.py`)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from testing.broken_sinks import BrokenSink, End

from streamlake.engine.contracts import PartitionJob
from streamlake.engine.entries import FileEntry, Head, Recovered
from streamlake.plugins.sinks.file.partition import FilePartitionSink
from streamlake.plugins.sinks.file.reader import FileLedger

_FORGOTTEN: set[str] = set()


class LandsAllInOnePlace(BrokenSink):
    def partition(self, job: PartitionJob) -> FilePartitionSink:
        return super().partition(replace(job, output=""))


class SeesOneOutput(BrokenSink):
    class reading(FileLedger):  # noqa: N801
        def visible(self, topic: str, output: str = "") -> Iterator[str]:  # noqa: ARG002
            yield from super().visible(topic)


class ClosesForAWhile(BrokenSink):
    class end(End):  # noqa: N801
        def close(self, *, final: bool = False) -> None:  # noqa: ARG002
            super().close()


class ClaimsWhatIsClosed(BrokenSink):
    class end(End):  # noqa: N801
        def claim(self, head: Head) -> Recovered:
            last = replace(head.last, final=False) if head.last else None
            return super().claim(replace(head, last=last))


class Copies(BrokenSink):
    def move(self, files: Sequence[FileEntry]) -> Sequence[bool]:
        for file in files:
            data = self._backend.read(file.staged)
            if data is not None:
                self._backend.put_if_absent(file.final, data, stage="_stage/copies")
        return [True] * len(files)


class MovesAnything(BrokenSink):
    def move(self, files: Sequence[FileEntry]) -> Sequence[bool]:
        super().move(files)
        return [True] * len(files)


class DecidesAgain(BrokenSink):
    def settle(self, run: str, fate: str) -> str:
        self._backend.delete(f"_runs/{run}.fate-1")
        return super().settle(run, fate)


class NeverDecidesAgain(BrokenSink):
    def settle(self, run: str, fate: str) -> str:
        said = self._backend.read(f"_runs/{run}.fate-1")
        return super().settle(run, fate) if said is None else said.decode().strip()


class ForgetsNothing(BrokenSink):
    def forget(self, run: str) -> bool:
        known = run in {one.run for one in self.ledger().runs()} and run not in _FORGOTTEN
        _FORGOTTEN.add(run)
        return known


class LetsNamesBeUsedAgain(BrokenSink):
    def forget(self, run: str) -> bool:
        done = super().forget(run)
        self._backend.delete(f"_runs/{run}.deleted")
        return done


class CollectsWhatHasLanded(BrokenSink):
    def collect(self, run: str) -> int:
        freed = super().collect(run)
        for path in list(self._backend.walk("raw")):
            self._backend.delete(path)
        return freed
