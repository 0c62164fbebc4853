"""The demo: four stories over one Kafka and one lake, each with topics of its own, and the report of them.

Settings by the environment: STORY (one of `landing`, `failures`, `dead-letters`, `replay`; all by default), SINK
(`file`, or `gs` for a bucket), DEMO_RECORDS (150000), KEEP=1 (everything runs on, and files stay),
KAFKA_BOOTSTRAP_SERVERS (a cluster that is there already), STREAMLAKE_LOCAL_JAVA (`engine/local/java.py`).
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from streamlake.engine.errors import Exit, LocalError, StreamLakeError
from streamlake.engine.local.demo.bucket import kept_bucket, own_bucket
from streamlake.engine.local.demo.dead_letters import DeadLettersStory
from streamlake.engine.local.demo.failures import FailuresStory
from streamlake.engine.local.demo.kafka import Cluster, kept_kafka, own_kafka
from streamlake.engine.local.demo.kept import emptied
from streamlake.engine.local.demo.lake import Folder, Lake
from streamlake.engine.local.demo.landing import LandingStory
from streamlake.engine.local.demo.recording import Recording
from streamlake.engine.local.demo.replay import ReplayStory
from streamlake.engine.local.demo.report import page
from streamlake.engine.local.demo.running import leave_running
from streamlake.engine.local.demo.screen import Screen
from streamlake.engine.local.demo.settings import PIPELINE, REPORT, Settings, mark_of_now
from streamlake.engine.local.demo.steps import Place, Steps

TOLD: Mapping[str, type[Steps]] = {
    story.name: story for story in (LandingStory, FailuresStory, DeadLettersStory, ReplayStory)
}


def tell(settings: Settings, screen: Screen) -> bool:
    """Start servers, tell the stories, stop them; whether all counts agree. Raises LocalError if it can't go on."""
    if not Path(PIPELINE).exists():
        raise LocalError(f"{PIPELINE} is not here: the demo runs in a clone of the repository, by `make demo`")
    recording = screen.recording
    with emptied(settings.folder), _kafka(settings, screen) as cluster, _lake(settings, screen) as lake:
        for name, value in lake.environment.items():
            screen.command(["export", f"{name}={value}"])
        mark = "" if settings.servers is None else mark_of_now()
        place = Place(settings, cluster, lake, screen, mark)
        try:
            stories = [_one(TOLD[name], place) for name in settings.stories]
        except StreamLakeError as error:
            recording.failure = str(error)
            _report(recording, settings, cluster)
            raise
        report = _report(recording, settings, cluster)
        screen.step("All told")
        _sum_up(recording, screen, report)
        if settings.keep:
            leave_running(place, stories[0].pipeline)
    _say_what_is_left(settings, lake, [story.pipeline for story in stories], screen)
    return recording.agrees


def _one(story: type[Steps], place: Place) -> Steps:
    """Tell one; what landed is kept also when it breaks off."""
    it = story(place)
    try:
        it.tell()
    except StreamLakeError:
        it.keep_what_landed()
        raise
    it.keep_what_landed()
    return it


def _report(recording: Recording, settings: Settings, cluster: Cluster) -> Path:
    recording.chapter.ended = recording.now
    if cluster.log is not None and cluster.log.exists():
        recording.chapters[0].logs["kafka.log"] = cluster.log.read_text(errors="replace")
    path = Path.cwd() / REPORT
    path.write_text(page(recording, settings))
    return path


def _sum_up(recording: Recording, screen: Screen, report: Path) -> None:
    for chapter in recording.chapters:
        if chapter.checks:
            wrong = sum(line.kind == "wrong" for line in chapter.checks)
            agree = f"{len(chapter.checks) - wrong} of {len(chapter.checks)} counts agree"
            screen.output([f"{agree}, {chapter.ended - chapter.began:3.0f} s: {chapter.title}"])
    checks = [line.kind == "wrong" for chapter in recording.chapters for line in chapter.checks]
    agree = f"{checks.count(False)} of {len(checks)} counts agree"
    screen.say(f"{agree} in all, in {recording.now:.0f} s. With plots: {report}")


def _kafka(settings: Settings, screen: Screen) -> AbstractContextManager[Cluster]:
    if settings.servers is not None:
        screen.step("The Apache Kafka that KAFKA_BOOTSTRAP_SERVERS names")
        return nullcontext(Cluster(settings.servers))
    if settings.keep:
        return kept_kafka(settings.folder, settings.streamlake, screen)
    return own_kafka(settings.folder, screen)


def _lake(settings: Settings, screen: Screen) -> AbstractContextManager[Lake]:
    if settings.sink == "file":
        return nullcontext(Folder(settings.folder / "lake"))
    if settings.keep:
        return kept_bucket(settings.folder, settings.streamlake, screen)
    return own_bucket(settings.folder, screen)


def _say_what_is_left(settings: Settings, lake: Lake, pipelines: Sequence[Path], screen: Screen) -> None:
    if settings.servers is not None:
        screen.say(f"The topics that were made stay on {settings.servers}: see `topics apply` above.")
    elif not settings.keep:
        screen.say("Kafka is stopped. KEEP=1 make demo leaves it running, and an engine and the HTTP edge with it.")
    screen.say(f"Everything lies in {settings.folder}, until the next demo. Try:")
    lake.say_how_to_reach_it(screen)
    for pipeline in pipelines:
        screen.command([".venv/bin/streamlake", "prove", _as_typed(pipeline)])
    screen.command([".venv/bin/streamlake", "dead", "list", _as_typed(pipelines[0]), "--reason", "oversize"])


def _as_typed(path: Path) -> str:
    return str(path.relative_to(Path.cwd()))


def main() -> int:
    """`python -m streamlake.engine.local.demo`: 0 when every count agrees, 1 when one is off, 130 on Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    screen = Screen()
    try:
        return Exit.DONE if tell(Settings.read(os.environ), screen) else Exit.FAILED
    except StreamLakeError as error:
        sys.stderr.write(f"{error}\n")
        return Exit.FAILED
    except BrokenPipeError:  # the reader of a pipe has gone: nobody is left to tell it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except KeyboardInterrupt:
        sys.stderr.write("stopped; Kafka is stopped, too\n")
        return Exit.INTERRUPTED
