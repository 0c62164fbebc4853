"""How fast a partition lands, and for what it refuses: over the last minute of its commits."""

from collections import deque
from dataclasses import dataclass

from streamlake.engine.messages import Progress
from streamlake.engine.state import CommonRefusal

WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class PaceNow:
    """Records (whatever became of them) and bytes of files a second; 0 where nothing was committed lately.

    `refused_share` is of the records of the last minute that had any, 0 to 1; None before the first.
    """

    records_per_second: float
    bytes_per_second: float
    refused_share: float | None
    commonest: CommonRefusal | None


class Pace:
    """Takes each commit in. Times are monotonic seconds.

    A batch may take longer than a minute: the newest commit counts for twice as long as its batch took.
    """

    def __init__(self) -> None:
        self._commits: deque[tuple[float, Progress]] = deque()
        self._share: float | None = None
        self._commonest: CommonRefusal | None = None

    def take(self, now: float, progress: Progress) -> None:
        """A batch was committed."""
        self._commits.append((now, progress))
        self._forget(now)
        read = sum(_records(one) for _, one in self._commits)
        if read:
            self._share = sum(one.refused for _, one in self._commits) / read
        if progress.refusals:
            self._commonest = _commonest([one for _, one in self._commits])

    def look(self, now: float) -> PaceNow:
        """The pace at this moment."""
        self._forget(now)
        if not self._commits:
            return PaceNow(0.0, 0.0, self._share, self._commonest)
        at, first = self._commits[0]
        seconds = max(1.0, now - at + first.seconds)
        records = sum(_records(one) for _, one in self._commits)
        bytes_landed = sum(one.bytes for _, one in self._commits)
        return PaceNow(records / seconds, bytes_landed / seconds, self._share, self._commonest)

    def _forget(self, now: float) -> None:
        commits = self._commits
        while commits and commits[0][0] < now - max(WINDOW_SECONDS, 2 * commits[-1][1].seconds):
            commits.popleft()


def _records(progress: Progress) -> int:
    return progress.landed + progress.refused + progress.skipped


def _commonest(commits: list[Progress]) -> CommonRefusal:
    """Of all kinds the one that comes most often, with the newest example."""
    found: dict[tuple[str, str, str], CommonRefusal] = {}
    for refusal in (refusal for one in commits for refusal in one.refusals):
        kind = (refusal.reason, refusal.field, refusal.message)
        before = found[kind].count if kind in found else 0
        found[kind] = CommonRefusal(*kind, before + refusal.count, refusal.offset)
    return max(found.values(), key=lambda refusal: refusal.count)
