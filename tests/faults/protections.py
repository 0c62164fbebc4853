"""The exact change that takes each protection away, and the fault test that then has to fail."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A fault, and the one change that takes its protection away."""

    name: str
    test: str
    file: str
    old: str
    new: str


PARTITION = "plugins/sinks/file/partition.py"
LEDGER = "plugins/sinks/file/ledger.py"
LOCAL = "plugins/sinks/file/backends/local.py"
RUNS = "plugins/sinks/file/runs.py"
ANY_POINT = "test_kill_points.py::test_a_worker_killed_twice_in_a_row_at_any_point_loses_and_doubles_nothing"
FINISHING = (
    "test_kill_points.py::test_a_worker_killed_twice_while_it_finishes_what_a_dead_one_left_loses_and_doubles_nothing"
)
FROZEN = "test_zombies.py::test_a_host_that_was_frozen_past_its_session_is_fenced_and_doubles_nothing"

REDRIVE = "test_redrive_kills.py::test_a_redrive_that_is_killed_goes_on_and_sends_nothing_twice_that_it_knew_was_sent"

MUTANTS = (
    Mutant(
        "killed after the commit: no roll-forward",
        f"{ANY_POINT}[after_commit]",
        PARTITION,
        "        missing = self._publish_files(unfinished)\n        failpoint",
        "        missing: Sequence[FileEntry] = ()\n        failpoint",
    ),
    Mutant(
        "killed after the stage: nothing collected",
        f"{ANY_POINT}[after_stage]",
        PARTITION,
        "        self._drop_staged(before_epoch=self._holding().epoch, keep={file.staged for file in missing})\n",
        "",
    ),
    Mutant(
        "killed before the dead letters: not sent again",
        f"{ANY_POINT}[before_dead_letters]",
        "engine/recovery.py",
        "        recovery.dead_letters.send(recovered.unsent)",
        "        pass",
    ),
    Mutant(
        "killed in the middle of a publish: it can't be repeated",
        f"{ANY_POINT}[before_publish_unlink]",
        LOCAL,
        "            except FileExistsError:\n                self._holds(file)\n",
        "            except FileExistsError:\n                raise\n",
    ),
    Mutant(
        "killed in recovery: only the entry right before the claim is finished",
        f"{FINISHING}[after_claim]",
        LEDGER,
        "        for entry in self.backwards(head.last):\n            if entry.kind",
        "        for entry in [head.last]:\n            if entry.kind",
    ),
    Mutant(
        "killed after the entry's link: position from the group, not from the ledger",
        "test_kill_points.py::test_a_worker_killed_twice_at_the_commit_point_itself_loses_and_doubles_nothing"
        "[after_entry_link]",
        "engine/worker.py",
        "        position = recovered.next\n",
        "        position = self._parts.recovery.ask().group_offset or 0\n",
    ),
    Mutant(
        "zombie: a taken slot is taken for one's own",
        f"{FROZEN}[before_commit+1-classic]",
        LEDGER,
        "        if standing != data:\n            raise FencedError",
        "        if not standing:\n            raise FencedError",
    ),
    Mutant(
        "zombie: its collected temporary file is a storage error",
        f"{FROZEN}[before_entry_link+2-consumer]",
        LOCAL,
        "                if not self._path(temporary).exists():\n                    return False",
        "                if not self._path(temporary).exists():\n                    raise",
    ),
    Mutant(
        "zombie: its collected staged file is a storage error",
        f"{FROZEN}[after_stage_write+2-classic]",
        "plugins/sinks/file/batch.py",
        "            self._refuse_if_fenced()\n            raise\n",
        "            raise\n",
    ),
    Mutant(
        "zombie: a kill that came too late hides why the worker ended",
        "test_child_end.py",
        "engine/child.py",
        "        if self.ended is not None and code == self.ended.exit_code:",
        "        if self.killed_for is None and self.ended is not None and code == self.ended.exit_code:",
    ),
    Mutant(
        "stuck worker: nobody looks",
        "test_zombies.py::test_a_stuck_worker_is_killed_and_its_successor_goes_on",
        "engine/supervisor.py",
        "            self._kill_overdue()\n            self._watch",
        "            self._watch",
    ),
    Mutant(
        "supervisor killed: workers watch by a thread only",
        "test_kills.py",
        "engine/orphan.py",
        'if hasattr(fcntl, "F_SETSIG"):',
        'if hasattr(fcntl, "F_NOTHING"):',
    ),
    Mutant(
        "killed from outside: a suspicious batch is refused as a whole",
        "test_kills.py::test_a_worker_killed_from_outside_however_often_never_costs_an_innocent_record",
        "engine/poison.py",
        "    return bisected(batch, validate)\n",
        '    return Verdict([Refusal(index, "crash", "suspicious") for index in range(len(batch))])\n',
    ),
    Mutant(
        "crashing validator: no suspicion",
        "test_crashing_validators.py::test_the_record_that_breaks_the_validator_is_refused_as_crash_and_the_rest_lands",
        "engine/worker.py",
        "CLAIMS_BEFORE_SUSPICION = 2",
        "CLAIMS_BEFORE_SUSPICION = 10**9",
    ),
    Mutant(
        "crashing validator: no bisection",
        "test_crashing_validators.py::test_each_of_several_such_records_is_found",
        "engine/poison.py",
        "    if len(indices) == 1:\n        yield",
        "    if indices:\n        yield",
    ),
    Mutant(
        "foreign root: the run file is not compared",
        "test_foreign_root.py",
        RUNS,
        "    if not differences and not made_anew:\n",
        "    if shared:\n",
    ),
    Mutant(
        "start latest: resolved at each start",
        "test_start_latest.py::test_what_came_between_the_first_start_and_the_first_commit_lands[before_claim]",
        "engine/worker_main.py",
        "    start = job.identity.start_of(source)\n",
        "    start = facts.high\n",
    ),
    Mutant(
        "full disk: what the last entry names is collected, too",
        "test_full_disk.py::test_what_was_committed_survives_two_claims_that_died_before_they_rolled_forward",
        PARTITION,
        "keep={file.staged for file in files})",
        "keep=())",
    ),
    Mutant(
        "full disk: nobody waits for room",
        "test_full_disk.py::test_a_full_disk_is_said_once_and_waited_for_and_all_goes_on_by_itself",
        "plugins/sinks/file/backends/room.py",
        "                    if error.errno not in FULL or",
        "                    if error or",
    ),
    Mutant(
        "full disk: no space is made before the claim",
        "test_full_disk.py::test_what_was_committed_survives_two_claims_that_died_before_they_rolled_forward",
        PARTITION,
        "            self._drop_staged(before_epoch=epoch, keep={file.staged for file in files})\n",
        "",
    ),
    Mutant(
        "topic made anew: its id is not asked for before the commit",
        "test_topics_changing.py::"
        "test_a_topic_that_is_made_anew_and_refilled_while_it_is_read_parks_and_nothing_of_it_lands",
        "engine/worker.py",
        "        if now == known:\n",
        "        if now != known or now == known:\n",
    ),
    Mutant(
        "truncated log: no epoch goes into assign",
        "test_kafka_elections.py::"
        "test_a_log_truncated_by_an_unclean_election_is_noticed_by_its_epoch_and_not_papered_over",
        "engine/kafka/source.py",
        "open_reader(source, properties, next_offset, leader_epoch)",
        "open_reader(source, properties, next_offset, None)",
    ),
    Mutant(
        "expired records: the client jumps to the first that is left",
        "test_kafka_corners.py::test_what_expires_under_a_worker_that_reads_is_noticed_and_never_skipped_over",
        "engine/kafka/settings.py",
        '"auto.offset.reset": "error"',
        '"auto.offset.reset": "earliest"',
    ),
    Mutant(
        "expired records: nobody looks before the claim",
        "test_kafka_corners.py::test_what_expired_before_it_was_read_parks_the_partition_and_names_the_loss",
        "engine/recovery.py",
        "    _expired: EXPIRED,\n",
        "",
    ),
    Mutant(
        "group offset beyond the ledger: nobody looks",
        "test_kafka_corners.py",
        "engine/recovery.py",
        "    _behind_the_group: GROUP_AHEAD,\n",
        "",
    ),
    Mutant(
        "leader change before a marker: the epoch of the last record goes into assign",
        "test_kafka_elections.py::test_a_leader_change_between_the_last_record_and_a_trailing_marker_stops_nobody",
        "engine/kafka/source.py",
        "            part = self._slice(position, epoch)\n",
        "            part = self._slice(position, reader.last_epoch)\n",
    ),
    Mutant(
        "root gone: whoever is at work goes on where it was",
        "test_root_gone.py::test_a_root_that_goes_under_a_running_engine_is_said_and_waited_for[Replaced]",
        LOCAL,
        "        elif seen != self._root_seen:\n",
        "        elif False:\n",
    ),
    Mutant(
        "root gone: the next worker begins a second ledger",
        "test_root_gone.py::test_a_root_that_goes_under_a_running_engine_is_said_and_waited_for[Replaced]",
        "engine/worker_main.py",
        "    if sink.find_run(run) is None:\n",
        "    if sink.find_run(run) is None and False:\n",
    ),
    Mutant(
        "topic made anew: its id is not compared before the claim",
        "test_topics_changing.py::test_a_worker_that_starts_on_a_topic_made_anew_parks_and_claims_nothing",
        "engine/recovery.py",
        "    _another_topic: RECREATED,\n",
        "",
    ),
    Mutant(
        "partition added: read from its end",
        "test_topics_changing.py::test_a_partition_added_while_running_is_read_from_its_first_offset",
        "engine/worker_main.py",
        "start=facts.low if start is None else start,",
        "start=facts.high if start is None else start,",
    ),
    Mutant(
        "damaged ledger: hashes are not compared",
        "test_damaged_ledger.py",
        LEDGER,
        "        if entry.previous_sha256 != previous_sha256:\n",
        "        if entry.previous_sha256 != previous_sha256 and False:\n",
    ),
    Mutant(
        "damaged ledger: missing entries are not looked for",
        "test_damaged_ledger.py",
        LEDGER,
        "TAIL_CHECKED = 32\n",
        "TAIL_CHECKED = 1\n",
    ),
    Mutant(
        "dead-letter topic missing: the letters are dropped",
        "test_dead_letter_topic.py::test_a_missing_dead_letter_topic_stops_the_partition_until_it_is_made",
        "engine/kafka/dead_letters.py",
        "        producer = self._connected()\n        errors",
        "        try:\n            producer = self._connected()\n        except DeadLetterError:\n            return\n"
        "        errors",
    ),
    Mutant(
        "too large for the dead-letter topic: nothing is left out",
        "test_dead_letter_topic.py::test_a_record_too_large_for_the_dead_letter_topic_goes_without_its_value",
        "engine/kafka/letter_records.py",
        'LESS = ((), ("value",), ("value", "headers"), ("value", "headers", "key"))',
        "LESS: tuple[tuple[str, ...], ...] = ((),)",
    ),
    Mutant(
        "broker away: whoever leaves waits for its answer",
        "test_broker_away.py::test_an_engine_whose_broker_is_away_still_leaves_when_asked",
        "engine/kafka/membership.py",
        "    thread.join(seconds)\n",
        "    thread.join()\n",
    ),
    Mutant(
        "sharing: who gives a partition up kills its worker",
        "test_sharing.py::test_a_second_engine_joins_and_leaves_in_the_middle",
        "engine/supervisor.py",
        "        self._drain(leaving)\n        while",
        '        for slot in leaving:\n            slot.kill("revoked")\n        while',
    ),
    Mutant(
        "restarts: no limit",
        "test_limits.py::test_a_partition_whose_workers_die_too_often_is_parked_and_readyz_says_so",
        "engine/backoff.py",
        "        if len(self._deaths) > self.limits.restarts_max:\n            return None\n",
        "",
    ),
    Mutant(
        "idle partition: no close after nothing but a claim",
        "test_limits.py::test_a_partition_without_records_has_a_claim_and_a_close_in_its_ledger_and_nothing_else",
        PARTITION,
        'if held.kind != "close":',
        'if held.kind not in {"claim", "close"}:',
    ),
    Mutant(
        "worker ended by its validator: exit code 0 counts as done",
        "test_crashing_validators.py::test_the_record_that_breaks_the_validator_is_refused_as_crash_and_the_rest_lands",
        "engine/child.py",
        "            return None, UNSAID, KILLED.number\n",
        "            return Exit.DONE, UNSAID, KILLED.number\n",
    ),
    Mutant(
        "SIGHUP: any change is taken over",
        "test_signals.py::test_sighup_refuses_another_root_and_a_broken_yaml_and_keeps_the_old_one",
        "engine/reloading.py",
        'FIXED_WHILE_RUNNING = ("pipeline", "kafka", "sink", "metrics", "python_path")',
        "FIXED_WHILE_RUNNING: tuple[str, ...] = ()",
    ),
    Mutant(
        "SIGHUP: the model is made where it was imported before",
        "test_reload.py::test_sighup_takes_a_good_change_of_the_model_over_and_refuses_a_bad_one_as_a_whole",
        "engine/trial.py",
        "                self._child.start()\n",
        "                make()\n"
        "                self._child = context.Process(target=_try, args=(theirs, list, setting))\n"
        "                self._child.start()\n",
    ),
    Mutant(
        "YAML: librdkafka's own refusals come after the first question to the broker",
        "test_bad_yaml.py",
        "engine/assembly.py",
        "    check_properties(config.kafka)",
        "    _ = check_properties",
    ),
    Mutant(
        "redrive killed: what it sends is noted afterwards",
        f"{REDRIVE}[redrive_after_sending-0]",
        "engine/operations/redrive.py",
        """        journal.write_batch([one.place for one in batch])  # (1)
        failpoint("redrive_after_intent")
        undelivered = sender.send(batch, rate)  # (2), (3)
        failpoint("redrive_after_sending")
""",
        """        failpoint("redrive_after_intent")
        undelivered = sender.send(batch, rate)  # (2), (3)
        failpoint("redrive_after_sending")
        journal.write_batch([one.place for one in batch])  # (1)
""",
    ),
    Mutant(
        "redrive killed: what may be there twice is not marked",
        f"{REDRIVE}[redrive_after_sending-0]",
        "engine/operations/redrive_letters.py",
        "    if in_doubt:\n        yield",
        "    if False:\n        yield",
    ),
    Mutant(
        "redrive killed: what is noted as sent is not left out",
        f"{REDRIVE}[redrive_after_done-0]",
        "engine/operations/redrive_letters.py",
        "if place in self.own.sent:",
        "if False:",
    ),
    Mutant(
        "redrive overtaken: not fenced",
        "test_redrive_kills.py::test_of_two_at_once_the_one_that_was_overtaken_is_fenced",
        "engine/operations/journals.py",
        "return self.notes.write(self._path(name, number), data) == data",
        "return self.notes.write(self._path(name, number), data) is not None",
    ),
)
