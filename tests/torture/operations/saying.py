"""An operation as its operator says it: killed at random, and said again until it has finished."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Literal

import psutil
from support.engine import BUGS_SHOW_AS, Engine
from torture.operations.world import OperationsWorld
from torture.program import STREAMLAKE

MENDED_SECONDS_MAX = 240.0
"""How long an operation may take when nothing breaks any more: on a machine loaded to its limit."""
AGAIN_SECONDS = 0.5
FREEZES_SECONDS_MAX = 20.0
KILLS = (0, 1, 2, 4, 6)
WAYS = {"at a step": 5, "as a whole": 2, "a worker": 1, "frozen at a step": 2, "let be": 1}
DONE, USAGE, CONFIG = 0, 2, 78
KILLED, FROZEN = "operation killed", "operation frozen"

Met = Literal["killed", "frozen", ""]
"""What was done to a command, if anything."""


class Operator:
    """One who wants one thing done. `words` are the command's, `steps` the failure points on its way.

    `may_refuse`: what it may be told instead, as regular expressions; `again_after`: after what it is said again.
    """

    def __init__(
        self,
        world: OperationsWorld,
        luck: Random,
        verb: str,
        words: Sequence[str],
        *,
        steps: Sequence[str],
        may_refuse: Sequence[str] = (),
        again_after: Sequence[str] = (),
    ) -> None:
        self._world, self._luck, self._verb, self._words = world, luck, verb, words
        self._steps, self._may_refuse, self._again_after = steps, may_refuse, again_after
        self.answer = ""
        """What it was told last."""
        self._kills = luck.choice(KILLS)
        self._deaths = world.pipeline.parent / "deaths"
        self._deaths.mkdir(exist_ok=True)

    def insist(self) -> bool:
        """Say it until it is done; False where it was refused, or never done, which is a fault of the world then."""
        mended: float | None = None
        with ExitStack() as stack:
            while True:
                if self._world.over.is_set():
                    mended, self._kills = mended or time.monotonic(), 0
                code, text = self._say(stack)
                self.answer = text
                if code == DONE:
                    return True
                if code in (USAGE, CONFIG) and not any(re.search(reason, text) for reason in self._again_after):
                    self._check_refusal(text)
                    return False
                if mended is not None and time.monotonic() - mended > MENDED_SECONDS_MAX:
                    self._world.found(f"stuck: {self._said} ended with {code} again and again: {text[-1000:]}")
                    return False
                threading.Event().wait(AGAIN_SECONDS)

    def _say(self, stack: ExitStack) -> tuple[int | None, str]:
        """Say it once: exit code, which one that stands still has none of, and what was answered."""
        way = self._luck.choices(list(WAYS), list(WAYS.values()))[0] if self._kills else "let be"
        env = {**os.environ, **self._world.engine_env}
        deaths = self._deaths / f"{self._luck.getrandbits(48):012x}"
        told = way
        if way.endswith("at a step"):
            step, passes = self._luck.choice(self._steps), self._luck.choice([0, 0, 0, 1, 3])
            stops = "=STOP" if way.startswith("frozen") else ""
            env["STREAMLAKE_FAILPOINT"] = f"{step}+{passes}{stops}:1:{deaths}"
            told = f"{way}: {step}+{passes}"
        stack.enter_context(suppress(AssertionError))  # what it says is looked at here
        engine = Engine(self._world.pipeline, *self._words, env=env, program=STREAMLAKE, verb=self._verb)
        stack.enter_context(engine)
        met = self._met(engine, way, deaths)
        if met:
            self._kills -= 1
            self._world.count(KILLED if met == "killed" else FROZEN)
        if met == "frozen":
            stack.callback(self._thaw, engine, told)
            return None, ""
        code = engine.process.poll()
        if code == -signal.SIGKILL and not met:  # by what befalls the disk
            self._world.count(KILLED)
        return code, self._ended(engine, told)

    def _met(self, engine: Engine, way: str, deaths: Path) -> Met:
        """Wait for its end, and kill it before, as is the `way`; or for the moment in which it stands still."""
        match way:
            case "as a whole":
                return self._killed_as_a_whole(engine)
            case "a worker":
                return self._killed_in_a_worker(engine)
            case "frozen at a step" if self._stands_still(engine, deaths):
                return "frozen"
        engine.process.wait()
        return "killed" if deaths.exists() else ""

    def _killed_as_a_whole(self, engine: Engine) -> Met:
        if _ends_within(engine, self._luck.uniform(0.2, 6)):
            return ""
        engine.signal_everything(signal.SIGKILL)
        engine.process.wait()
        return "killed"

    def _killed_in_a_worker(self, engine: Engine) -> Met:
        while not (workers := engine.workers()):
            if _ends_within(engine, 0.05):
                return ""
        _ends_within(engine, self._luck.uniform(0, 1))
        met: Met = "killed"
        try:
            self._luck.choice(workers).send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            met = ""
        engine.process.wait()
        return met

    @staticmethod
    def _stands_still(engine: Engine, deaths: Path) -> bool:
        """Whether all of it or a worker stands still by now: then somebody says the same again."""
        until = time.monotonic() + FREEZES_SECONDS_MAX
        while time.monotonic() < until and not _ends_within(engine, 0.05):
            if deaths.exists():
                return True
        return False

    def _thaw(self, engine: Engine, told: str) -> None:
        """Let one go on that stood still, now that another one has done it all."""
        engine.signal_everything(signal.SIGCONT)
        if not _ends_within(engine, MENDED_SECONDS_MAX):
            self._world.found(f"stuck: {self._said}, which stood still for a while, did not end")
        self._ended(engine, f"{told}, and went on")

    def _ended(self, engine: Engine, told: str) -> str:
        """What it said, when nothing of it is left."""
        engine.kill_everything()
        text = "".join(engine.text)
        for bug in BUGS_SHOW_AS:
            if bug in text:
                self._world.found(f"bug: {bug!r} in what {self._said} said: {text[-2000:]}")
        with self._world.lock, self._world.log.open("a") as log:
            log.write(f"--- {time.strftime('%H:%M:%S')} {self._said} ({told}): {engine.process.poll()}\n{text}")
        return text

    @property
    def _said(self) -> str:
        return " ".join([self._verb, *self._words])

    def _check_refusal(self, text: str) -> None:
        if not any(re.search(reason, text) for reason in self._may_refuse):
            self._world.found(f"refused: {self._said}: {text[-1000:]}")
        self._world.count(f"{self._verb}: refused")


def _ends_within(engine: Engine, seconds: float) -> bool:
    try:
        engine.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
