"""What is said of a partition, in words: its state, how bad that is, and what to do about it."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from statistics import fmean

from streamlake.engine.cli.common import duration
from streamlake.engine.state import EngineState, PartitionState

SORTS: Mapping[str, Callable[[PartitionState], tuple[float, ...]]] = {
    "worst": lambda one: (severity(one), -(one.lag or 0)),
    "lag": lambda one: (-(one.lag or 0),),
    "behind": lambda one: (-(one.lag_seconds or 0),),
    "rate": lambda one: (-rate_of(one),),
    "refused": lambda one: (-(one.refused_share or 0),),
    "memory": lambda one: (-(one.memory_bytes or 0),),
    "partition": lambda _: (),
}
"""By what partitions are sorted, the first being the usual one; equal ones by their names."""

_HINTS: Mapping[str, str] = {
    "breaker": "the command above shows such records; mend producer, validator or limits, then SIGHUP or restart",
    "storage": "`streamlake validate {yaml}` tries the storage",
    "broker": "`streamlake validate {yaml}` asks the broker",
    "topic gone": "if that was meant, take it out of kafka.topics; else make it anew, stop the engine, and "
    "`streamlake offsets reset {yaml} --recreated`",
    "source": "`streamlake offsets show {yaml}`",
    "dead_letters": "`streamlake topics diff {yaml}`",
    "ledger": "`streamlake prove {yaml} --quick` names what is damaged",
    "fenced": "another worker has it; if this repeats, `streamlake offsets show {yaml}`",
    "crashed": "the engine's log has the error: a bug of StreamLake or a plugin",
    "validator": "the engine's log has the error; `streamlake validate {yaml}`",
    "killed": "look for the kernel's out-of-memory killer (`dmesg`)",
    "bad_config": "`streamlake validate {yaml}`",
}
"""By how the worker ended; docs/operations.md has more to each."""

_CODE = re.compile(r"SL\d{4}")
BARS = "▁▂▃▄▅▆▇█"
NOBODYS = ("unknown", "elsewhere", "stopped")
"""Phases of partitions that no engine has spoken of: rate and memory are not known."""

WITHOUT_WORKER = ("parked", "fenced", "backing off", "waiting")
"""Phases in which nobody reads: what was read in the minute before is no rate any more."""

_QUIET = ("idle", *NOBODYS, "done")

STANDING = 5
"""Below this severity a partition stands, and is told below the table."""


def sorted_by(partitions: Sequence[PartitionState], sort: str) -> list[PartitionState]:
    """The partitions in this order (of SORTS)."""
    return sorted(partitions, key=lambda one: (*SORTS[sort](one), one.source))


def severity(one: PartitionState) -> int:
    """How bad it is, 0 the worst; below STANDING it does not land."""
    order = {"parked": 0, "fenced": 1, "backing off": 2}
    if one.phase in order:
        return order[one.phase]
    if one.gone_since is not None:
        return 0
    if one.storage_since is not None or one.broker_since is not None:
        return 3
    if one.phase == "waiting" and one.why:
        return 4
    if one.phase in ("waiting", "starting", "recovering", "draining"):
        return STANDING
    return 6 if kind(one) not in _QUIET else 7 + _QUIET.index(kind(one))


def kind(one: PartitionState) -> str:
    """Its state in a word or two, for counting."""
    if one.phase in ("parked", "fenced"):
        return one.phase
    stands = {
        "topic gone": one.gone_since is not None,
        "restarting": one.phase == "backing off",
        "waiting for storage": one.storage_since is not None,
        "waiting for the broker": one.broker_since is not None,
    }
    if any(stands.values()):
        return next(said for said, so in stands.items() if so)
    if one.phase == "reading" and one.lag == 0 and one.records_per_second < 1:
        return "idle"
    return one.phase


def words(one: PartitionState, now: datetime) -> str:
    """Its state in words; `now` by the clock of whoever said it."""
    said = kind(one)
    if said == "restarting":
        left = 0 if one.restart_at is None else (datetime.fromisoformat(one.restart_at) - now).total_seconds()
        return f"restarting in {max(0, round(left))} s after exit {one.last_exit}"
    since = {
        "topic gone": one.gone_since,
        "waiting for storage": one.storage_since,
        "waiting for the broker": one.broker_since,
    }
    if said in since:
        return f"{said} since {clock(since[said] or '', now)}"
    if one.why and said in ("parked", "fenced", "waiting"):
        return f"{said}: {code_last(one.why)}"
    if one.held and said == "reading":
        left = 0 if one.closes_at is None else (datetime.fromisoformat(one.closes_at) - now).total_seconds()
        return f"{one.held:,} held, file closes in {max(0, round(left))} s"
    return said


def code_last(why: str) -> str:
    """`SL0601: 512 refused` as `512 refused (SL0601)`: where there is little room the words are what one reads."""
    code, colon, words_of_it = why.partition(": ")
    return f"{words_of_it} ({code})" if colon and _CODE.fullmatch(code) else why


def told(one: PartitionState, now: datetime, yaml: str) -> str | None:
    """The sentence below the table: since when it stands, why, and what to do; None for one that does not stand.

    `yaml` is how the user calls the pipeline. Of the broker one sentence tells for all that wait for it, and so of a
    topic that is gone.
    """
    if severity(one) >= STANDING or kind(one) in ("waiting for the broker", "topic gone"):
        return None
    why, said = one.why, kind(one)
    since = one.since if one.storage_since is None else one.storage_since
    if said == "waiting for storage":
        waits = ", ".join(f"{reason} {count} times" for reason, count in sorted(one.storage_waits.items()))
        why = "; ".join(filter(None, (one.storage_why, f"waits so far: {waits}")))
    text = f"{one.source} is {said if said != 'restarting' else words(one, now)} since {clock(since, now)}: {why}"
    to_do = hint(one, yaml)
    return text if to_do is None else f"{text}\n  → {to_do}"


def lag_told(partitions: Sequence[PartitionState]) -> str:
    """The lag of all of them: `61k + 2 unknown`; what is not known is not 0, nor is that of no partitions."""
    lags = [one.lag for one in partitions if one.lag is not None]
    unknown = len(partitions) - len(lags)
    if lags and not unknown:
        return compact(sum(lags))
    return f"{compact(sum(lags))} + {unknown:,} unknown" if lags else "?"


def behind_told(partitions: Sequence[PartitionState]) -> str:
    """The longest lag in time: `2h`; `2h+` where one is not known, `?` where none is."""
    known = [one.lag_seconds for one in partitions if one.lag_seconds is not None]
    if known and len(known) == len(partitions):
        return brief(max(known))
    return f"{brief(max(known))}+" if any(known) else "?"


def rate_of(one: PartitionState) -> float:
    """Records a second now; 0 where nobody reads."""
    return 0.0 if one.phase in WITHOUT_WORKER else one.records_per_second


def hint(one: PartitionState, yaml: str) -> str | None:
    """What to look at where it stands; None where it lands, or where its own words say it."""
    if severity(one) >= STANDING or kind(one) == "waiting":
        return None
    known = {"waiting for storage": "storage", "waiting for the broker": "broker", "topic gone": "topic gone"}
    ended = known.get(kind(one), one.last_exit)
    return _HINTS[ended].format(yaml=yaml) if ended in _HINTS else None


def broker_told(state: EngineState, now: datetime, yaml: str) -> str | None:
    """The sentence about a broker that does not answer; None while it does."""
    if state.broker_since is None:
        return None
    why = state.broker_why or "no answer yet"
    return (
        f"{state.broker_waits} since {clock(state.broker_since, now)}: {why}\n  → {_HINTS['broker'].format(yaml=yaml)}"
    )


def gone_told(state: EngineState, now: datetime, yaml: str) -> list[str]:
    """A sentence about each topic that the cluster has no more."""
    to_do = _HINTS["topic gone"].format(yaml=yaml)
    return [
        f"the cluster has no topic {topic} any more, since {clock(since, now)}\n  → {to_do}"
        for topic, since in state.gone.items()
    ]


def refused_most(one: PartitionState) -> str | None:
    """For what its records are refused most often, with a place to look at; None where nothing was refused."""
    most = one.refused_most
    if most is None:
        return None
    place = f"{one.source}/{most.offset}"
    share = "" if one.refused_share is None else f" {percent(one.refused_share)} lately,"
    return f"{one.source} refuses{share} most often as {most.reason}: {most.message} ({place})"


def clock(iso: str, now: datetime) -> str:
    """A moment for a person: `03:12:44Z (2h 10m)`, with its date where that is not today's."""
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return iso or "?"
    text = f"{moment:%H:%M:%S}Z" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M:%S}Z"
    return f"{text} ({duration(max(0.0, (now - moment).total_seconds()))})"


def plain(text: str) -> str:
    """Without what a terminal would obey: messages have bytes of records in them."""
    return "".join(character if character.isprintable() else "·" for character in text)


def percent(share: float) -> str:
    """A share of 0 to 1: `0%`, `0.3%`, `12%`; what is little is not nothing."""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{100 * share:.1f}%" if 0 < share < 0.1 else f"{100 * share:.0f}%"


def brief(seconds: float) -> str:
    """A duration in its largest unit: `12s`, `4m`, `2h`, `3d`."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{seconds // unit:.0f}{name}"
    return f"{seconds:.0f}s"


def compact(number: float, step: int = 1000) -> str:
    """A number in four characters or five: `999`, `1.2k`, `12k`, `1.2M`; with `step` 1024 for bytes."""
    for unit in ("", "k", "M", "G"):
        if number < step - 0.5:
            return f"{number:.1f}{unit}" if unit and number < 9.95 else f"{number:.0f}{unit}"
        number /= step
    return f"{number:.1f}T" if number < 9.95 else f"{number:,.0f}T"


def sparkline(rates: Sequence[float], width: int) -> str:
    """All of the rates as `width` bars, the newest last, the highest of them being full."""
    some = -(-len(rates) // width) or 1
    means = [fmean(rates[max(0, end - some) : end]) for end in range(len(rates), 0, -some)][::-1]
    top = max(means, default=0) or 1
    return "".join(BARS[min(len(BARS) - 1, int(len(BARS) * rate / top))] for rate in means).rjust(width)
