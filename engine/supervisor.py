"""Keeps one worker per partition that the group gives to this host: starts, restarts, drains, parks.

Its loop fits on one screen (`run`); signal handlers only enqueue. It knows processes; the group and the broker's
answers come in through Protocols. Killing a worker is always safe: the ledger decides what has landed.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait

import structlog

from streamlake.engine.broker_watch import BrokerWatch
from streamlake.engine.codes.processes import NOT_DRAINED, STUCK
from streamlake.engine.contracts import Membership
from streamlake.engine.desk import Answer, Desk, Question
from streamlake.engine.errors import Exit
from streamlake.engine.full_disk import FullDisk
from streamlake.engine.messages import (
    AskFacts,
    AskTopicId,
    Facts,
    FromWorker,
    Held,
    Progress,
    Share,
    StorageWait,
    TopicId,
)
from streamlake.engine.records import TopicPartition
from streamlake.engine.slot import Slot
from streamlake.engine.standing_orders import Orders, Reload, Reloads
from streamlake.engine.state import PartitionState
from streamlake.engine.timings import Timings

log = structlog.get_logger("streamlake.supervisor")

TICK_SECONDS = 0.1
STEADY_SECONDS = 0.3
"""A tick while nothing is due: how long a signal or a rebalance may wait for us then."""
COMMIT_SECONDS = 0.5
FACTS_SECONDS = 5.0
KEPT_SECONDS = 60.0
"""How long the group may take, once the broker answers again, to say who has what we had."""
QUIET_SECONDS = 3.0
"""How long a start may take before it is said what it waits for."""


class Supervisor:
    """One host's workers. `reload` begins one on SIGHUP; where it raises ConfigError, the old orders stay."""

    def __init__(self, orders: Orders, membership: Membership, desk: Desk, reload: Callable[[], Reload]) -> None:
        self._orders, self._membership, self._desk = orders, membership, desk
        self._slots: dict[TopicPartition, Slot] = {}
        self._kept: dict[TopicPartition, Slot] = {}
        """What we had when the group went on without us. Nobody works on it here, and nobody says yet who does."""
        self._kept_until = 0.0
        self.broker = BrokerWatch()
        self.timings: dict[str, Timings] = {}
        """By topic. They outlive workers, and partitions that the group gives to another host."""
        self._signals: deque[int] = deque()
        self._stopping: int | None = None  # the signal that asked for it
        self._superseded = False  # a new live generation goes on
        self._reloads = Reloads(reload)
        self._full_disk = FullDisk()
        self._uncommitted: dict[TopicPartition, tuple[int, int | None]] = {}
        self._commit_at = self._facts_at = self._elsewhere_at = 0.0
        self._joined = False
        self._begun_at = time.monotonic()
        self._waiting_said = False

    @property
    def draining(self) -> bool:
        """Whether a signal has asked the whole engine to leave."""
        return self._stopping is not None

    @property
    def reloading(self) -> bool:
        """Whether a new configuration is being tried."""
        return self._reloads.trying

    def partitions(self) -> Sequence[PartitionState]:
        """Every partition of this host, ascending; also what it had, while the broker does not say who has it now."""
        return [slot.state for _, slot in sorted({**self._kept, **self._slots}.items())]

    def handle(self, number: int, _: object = None) -> None:
        """Take a signal: only enqueue."""
        self._signals.append(number)

    def run(self) -> Exit:
        """Supervise until told to stop or until a bounded run is over; the exit code of the command."""
        self._membership.join(self._assigned, self._revoked, self._lost)
        while not self._over():
            self._take_signals()
            self._take_new_orders()
            self._membership.poll()
            self._say_if_waiting()
            self._serve(STEADY_SECONDS if self._steady() else TICK_SECONDS)
            self._start_due()
            self._share_rate()
            self._kill_overdue()
            self._watch_broker()
            self._commit(wait=False)
            self._orders.tick(self.partitions())
        return self._leave()

    # -- the loop's steps --------------------------------------------------------------------------

    def _take_signals(self) -> None:
        while self._signals:
            number = self._signals.popleft()
            if number == signal.SIGHUP:
                self._reloads.begin()
            elif self._stopping is None:
                self._stopping = number
                again = "press again to stop now" if number == signal.SIGINT else "the same signal again stops at once"
                log.info("draining", signal=signal.Signals(number).name, hint=again)
                self._drain(list(self._slots.values()))
            else:
                self._stop_at_once()

    def _stop_at_once(self) -> None:
        running = self._running()
        if running:
            hint = "nothing is lost: what they had in hand is read again by the next start"
            log.info("stopping at once", partitions=[str(slot.source) for slot in running], hint=hint)
        for slot in running:
            slot.kill("stopped by a second signal", said=True)

    def _steady(self) -> bool:
        """Whether there is nothing to do but to hear the workers."""
        busy = self._stopping is not None or self._orders.ends is not None or not self._slots
        return not busy and all(slot.state.phase == "reading" for slot in self._slots.values())

    def _serve(self, seconds: float) -> None:
        """Hear the workers, bury the dead, pass the broker's answers on; waits for the first of them."""
        children = {slot.child.sentinel: slot for slot in self._running() if slot.child}
        pipes = {slot.child.pipe: slot for slot in self._running() if slot.child}
        ready = wait([*children, *pipes, self._desk.fileno()], timeout=seconds)
        for pipe, slot in pipes.items():
            if pipe in ready:
                self._hear(slot)
        for answer in self._desk.answers():
            self._pass_on(answer)
        for sentinel, slot in children.items():
            if sentinel in ready:
                self._bury(slot)

    def _say_if_waiting(self) -> None:
        if self._joined or self._waiting_said or time.monotonic() - self._begun_at < QUIET_SECONDS:
            return
        self._waiting_said = True
        hint = "a member that was killed keeps its partitions until session.timeout.ms is over (45 s by default)"
        log.info("waiting for the consumer group to give partitions", hint=hint)

    def _start_due(self) -> None:
        now = time.monotonic()
        running = len(self._running())
        for slot in self._slots.values():
            if slot.child is None and slot.due_at <= now and self._stopping is None and not self._superseded:
                if running >= self._orders.workers_max:
                    slot.wait_for_a_place(self._orders.workers_max)
                    continue
                try:
                    slot.start(self._orders.start(slot.source))
                except (EOFError, OSError) as error:  # the forkserver died just now: the next start makes another one
                    slot.not_started(f"the worker could not be started ({type(error).__name__}: {error})")
                else:
                    running += 1
        if now - self._facts_at > FACTS_SECONDS:
            self._facts_at = now
            self._ask_the_broker(now)

    def _ask_the_broker(self, now: float) -> None:
        """Every few seconds: how far the partitions go, and how long Kafka keeps what has not landed."""
        for slot in self._slots.values():  # of parked ones, too: Kafka deletes what they don't read
            slot.say_repeats(now, due=True)
            if slot.state.next is None:  # then the group's offset stands for it
                self._desk.ask(Question("facts", slot.source))
            if slot.retention.due(slot.state.next, now):
                self._desk.ask(Question("unread", slot.source, slot.landed_ms))
        held = {**self._kept, **self._slots}
        for slot in held.values():
            slot.look(now)
        sources = {*held, *self.broker.gone} or {TopicPartition(topic, 0) for topic in self._orders.topics}
        self.broker.asked(sources, now)
        for source in sources:
            self._desk.ask(Question("ends", source))

    def _watch_broker(self) -> None:
        now = time.monotonic()
        self.broker.look(now, self._desk.away)
        for source, slot in (*self._slots.items(), *self._kept.items()):
            slot.broker_waits(self.broker.away.get(source))
            slot.topic_gone(self.broker.gone.get(source))
        if self.broker.away:
            self._kept_until = now + KEPT_SECONDS
        elif now > self._kept_until:
            self._kept.clear()

    def _share_rate(self) -> None:
        if self._orders.rate is None:
            return
        running = [slot.child for slot in self._running() if slot.child]
        for child in running:
            share = self._orders.rate / len(running)
            if child.share != share:
                child.share = share
                child.send(Share(share))

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for slot in self._running():
            child = slot.child
            assert child is not None
            if now - child.heard_at > self._orders.stuck_seconds:
                stuck = f"no sign of life for {self._orders.stuck_seconds:g} s while {slot.state.phase}"
                child.kill(f"{stuck} (workers.stuck_seconds)", STUCK)
            elif child.draining_since is not None and now - child.draining_since > self._orders.drain_seconds:
                late = f"not finished within {self._orders.drain_seconds:g} s (workers.drain_seconds)"
                child.kill(late, NOT_DRAINED)

    def _commit(self, *, wait: bool) -> None:
        now = time.monotonic()
        if self._uncommitted and (wait or now - self._commit_at > COMMIT_SECONDS):
            self._commit_at = now
            held = {source: position for source, position in self._uncommitted.items() if source in self._slots}
            if self._membership.commit(held, wait=wait):
                self._uncommitted.clear()

    def _over(self) -> bool:
        if self._running():
            return False
        if self._stopping is not None or self._superseded:
            return True
        ends = self._orders.ends
        if ends is None or not all(slot.settled for slot in self._slots.values()):
            return False
        if time.monotonic() - self._elsewhere_at < 1.0:
            return False
        self._elsewhere_at = time.monotonic()
        return all(self._landed_elsewhere(source, end) for source, end in ends.items() if source not in self._slots)

    def _landed_elsewhere(self, source: TopicPartition, end: int) -> bool:
        """Whether a partition that is not held here is done; until we have joined, an unfinished end may be ours."""
        landed, finished = self._orders.landed(source)
        return landed >= end and (finished or self._joined)

    def _leave(self) -> Exit:
        self._reloads.drop()
        self._commit(wait=True)
        parked = [slot for slot in self._slots.values() if slot.failed]
        for slot in parked:
            log.error("not landed", partition=str(slot.source), phase=slot.state.phase, why=slot.state.why)
        self._orders.tick(self.partitions())  # the last word: leaving the group takes the partitions away
        self._membership.close()
        self._desk.close()
        if self._stopping == signal.SIGINT:
            return Exit.INTERRUPTED
        if self._superseded and self._stopping is None:
            return Exit.SUPERSEDED
        if parked and self._orders.ends is not None:
            return Exit.FAILED
        return Exit.DONE

    # -- the group ---------------------------------------------------------------------------------

    def _assigned(self, sources: Sequence[TopicPartition]) -> None:
        self._joined = True
        self._kept.clear()
        log.info("assigned", partitions=[str(source) for source in sources])
        for source in sources:
            if source not in self._slots:
                self._slots[source] = Slot(source, self._orders.restarts)
            self.timings.setdefault(source.topic, Timings())

    def _revoked(self, sources: Sequence[TopicPartition]) -> None:
        """Finish what is in hand, bounded; the partitions are given up when this returns."""
        leaving = [self._slots[source] for source in sources if source in self._slots]
        if leaving:
            log.info("revoked", partitions=[str(slot.source) for slot in leaving])
        self._drain(leaving)
        while any(slot.child for slot in leaving):
            self._serve(TICK_SECONDS)
            self._orders.tick(self.partitions())  # the loop goes round here, too
            self._kill_overdue()
        self._commit(wait=True)
        for slot in leaving:
            del self._slots[slot.source]

    def _lost(self, sources: Sequence[TopicPartition]) -> None:
        """The group went on without us: others may own these already, so ours end at once."""
        log.warning("lost", partitions=[str(source) for source in sources])
        leaving = [self._slots[source] for source in sources if source in self._slots]
        for slot in leaving:
            slot.kill("the group gave the partition away")
        while any(slot.child for slot in leaving):
            self._serve(TICK_SECONDS)
            self._orders.tick(self.partitions())  # the loop goes round here, too
        for slot in leaving:
            self._uncommitted.pop(slot.source, None)
            del self._slots[slot.source]
            if self.broker.is_asked(slot.source):  # nobody has told us what became of it
                slot.given_away()
                self._kept[slot.source], self._kept_until = slot, time.monotonic() + KEPT_SECONDS

    # -- one worker --------------------------------------------------------------------------------

    def _hear(self, slot: Slot) -> None:
        child = slot.child
        if child is None:
            return
        for message in child.receive():
            self._answer(slot, message)

    def _answer(self, slot: Slot, message: FromWorker) -> None:
        match message:
            case AskFacts():
                slot.asked_facts = True
                self._desk.ask(Question("facts", slot.source))
            case AskTopicId(since):
                slot.asked_id_since = since
                self._desk.ask(Question("topic_id", slot.source))
            case Progress():
                if message.committed_at is not None:
                    self.timings[slot.source.topic].take(message.seconds, message.steps)
                slot.progress(message)  # which tells it: whoever hears that finds all counted
                if message.committed_at is not None:
                    self._orders.committed(slot.source, message)
                self._uncommitted[slot.source] = (message.next, message.leader_epoch)
            case Held(rows, seconds_left):
                slot.holds(rows, seconds_left)
            case StorageWait(reason):
                slot.storage_wait(reason)
                self._full_disk.take(reason, self.partitions())

    def _pass_on(self, answer: Answer) -> None:
        slot, source = self._slots.get(answer.question.source), answer.question.source
        if answer.question.kind == "ends":
            self.broker.answered(source, answer.asked_at if answer.gone else None)
            slot = slot or self._kept.get(source)
        if slot is None:
            return
        if answer.facts is not None:
            slot.facts(answer.facts, with_group=answer.question.kind == "facts")
            if answer.question.kind == "facts" and slot.asked_facts and slot.child:
                slot.asked_facts = False
                slot.child.send(Facts(answer.facts))
        elif answer.question.kind == "topic_id" and slot.asked_id_since is not None and slot.child:
            if answer.asked_at < slot.asked_id_since:
                self._desk.ask(answer.question)  # it was on its way before the batch was read: too old
                return
            slot.asked_id_since = None
            slot.child.send(TopicId(answer.topic_id))
        elif answer.question.kind == "unread":
            if answer.unread is not None:
                slot.unread(answer.unread)
        elif answer.question.kind == "seat":
            slot.confirmed(answer.asked_at)

    def _bury(self, slot: Slot) -> None:
        child = slot.child
        if child is None:
            return
        self._hear(slot)
        code = slot.bury(bounded=self._orders.ends is not None)
        self._full_disk.take(None, self.partitions())
        if code is Exit.FENCED and self._orders.ends is None:
            self._desk.ask(Question("seat", slot.source))
        if code is Exit.SUPERSEDED and not self._superseded:
            self._superseded = True
            self._drain(self._running())

    def _running(self) -> list[Slot]:
        return [slot for slot in self._slots.values() if slot.child is not None]

    @staticmethod
    def _drain(slots: Sequence[Slot]) -> None:
        for slot in slots:
            if slot.child is not None:
                slot.phase("draining")
                slot.child.drain(time.monotonic())

    def _take_new_orders(self) -> None:
        """Take over what was tried and found good; what runs is not held up by the trial."""
        orders = self._reloads.orders()
        if orders is None:
            return
        self._orders = orders
        log.info("the YAML was taken over; each worker finishes its batch and starts again with it")
        for slot in self._slots.values():
            slot.begin_anew(orders.restarts)
