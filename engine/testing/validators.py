"""`check_validator`: the conformance suite of a validator, for whoever writes one; ours pass it, too."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, get_args, overload

import pyarrow as pa

from streamlake.engine.contracts import Validator
from streamlake.engine.errors import ConfigError
from streamlake.engine.records import PayloadKind, Refusal, Verdict
from streamlake.engine.testing.checks import BrokenContractError, Check, expect, run_checks
from streamlake.engine.testing.hostile import HOSTILE
from streamlake.engine.testing.sink_bench import batch_of
from streamlake.engine.verdicts import sound

SLICINGS = 5


@dataclass(frozen=True, slots=True)
class ValidatorBench:
    """A validator's class and options; payloads that must be accepted and refused; columns, where it makes some."""

    validator_class: type[Validator]
    options: Mapping[str, object]
    base_dir: Path
    accepted: Sequence[bytes] = ()
    refused: Sequence[bytes] = ()
    columns: bool = False

    def make(self) -> Validator:
        """A new one, as each worker makes one."""
        return self.validator_class.from_options(dict(self.options), columns=self.columns, base_dir=self.base_dir)

    @property
    def payloads(self) -> list[bytes]:
        """All that there are, good and bad ones between hostile ones."""
        return [*self.accepted, *HOSTILE, *self.accepted, *self.refused, *HOSTILE[:3]]


Answer = tuple[tuple[str, str | None, str] | str, ...]
"""What became of each message: `accepted`, `skipped`, or reason, field and message."""


def an_unknown_option_is_refused(bench: ValidatorBench) -> None:
    """An option that the validator does not know is a ConfigError, not a setting without effect."""
    options = {**bench.options, "no_such_option": 1}
    try:
        bench.validator_class.from_options(options, columns=bench.columns, base_dir=bench.base_dir)
    except ConfigError:
        return
    raise BrokenContractError("from_options took the option no_such_option", "Validator.from_options")


def it_says_what_it_is(bench: ValidatorBench) -> None:
    """`payload` is `json` or `bytes`, and `fingerprint` is the same for all that decide alike."""
    one, other = bench.make(), bench.make()
    expect(one.payload in get_args(PayloadKind), f"payload is {one.payload!r}", "Validator.payload")
    text: object = one.fingerprint
    expect(text and isinstance(text, str), f"fingerprint is {text!r}", "Validator.fingerprint")
    same = one.fingerprint == other.fingerprint
    expect(same, f"two made alike say {one.fingerprint!r} and {other.fingerprint!r}", "Validator.fingerprint")
    one.validate(batch_of(bench.payloads))
    expect(one.fingerprint == other.fingerprint, "its fingerprint changes with what it sees", "Validator.fingerprint")


def good_ones_are_accepted_and_bad_ones_refused(bench: ValidatorBench) -> None:
    """What the suite was told to be good is accepted, and what it was told to be bad is not."""
    validator = bench.make()
    for payload in bench.accepted:
        answer = _answer(validator, [payload])
        expect(answer == ("accepted",), f"of {payload!r:.200} it says {answer}", "Validator.validate")
    for payload in bench.refused:
        (only,) = _answer(validator, [payload])
        expect(only != "accepted", f"it accepts {payload!r:.200}", "Validator.validate")


def no_payload_makes_it_raise(bench: ValidatorBench) -> None:
    """Whatever a producer sends is decided: an exception costs a search for its cause, and a `crash` in the letters."""
    validator = bench.make()
    for payload in bench.payloads:
        try:
            validator.validate(batch_of([payload]))
        except Exception as error:
            why = f"{payload!r:.200} made it raise {type(error).__name__}: {error}"
            raise BrokenContractError(why, "Validator.validate") from error


def every_answer_is_a_verdict(bench: ValidatorBench) -> None:
    """Indices ascend and come once, reasons are known, and columns have a row for each accepted message."""
    validator = bench.make()
    for payloads in ([], *([payload] for payload in bench.payloads), bench.payloads, list(bench.accepted)):
        batch = batch_of(payloads)
        verdict = sound(validator.validate(batch), len(batch))
        silent = [refusal for refusal in verdict.refused if not refusal.message]
        expect(not silent, f"it refuses without a message: {silent[:1]}", "Refusal")
        made = verdict.columns is not None
        expect(made == bench.columns or not payloads, f"columns asked for: {bench.columns}, made: {made}", "Verdict")


def an_empty_batch_is_nothing(bench: ValidatorBench) -> None:
    """Of no messages it refuses and skips none."""
    verdict = sound(bench.make().validate(batch_of([])), 0)
    expect(not verdict.refused and not verdict.skipped, f"it answers {verdict}", "Validator.validate")


def its_answers_never_change(bench: ValidatorBench) -> None:
    """It is deterministic: asked again, in another order or of another instance, it answers the same."""
    validator, payloads = bench.make(), bench.payloads
    first = _answer(validator, payloads)
    for again in (validator, bench.make()):
        expect(_answer(again, payloads) == first, "asked again it answers otherwise", "Validator.validate")
    backwards = _answer(validator, payloads[::-1])[::-1]
    _same(payloads, first, backwards, "the other way round")


def slices_do_not_matter(bench: ValidatorBench) -> None:
    """A message is decided alike alone, in a batch, and however the batch is cut: a worker that died cuts otherwise."""
    validator, payloads = bench.make(), bench.payloads
    whole = _answer(validator, payloads)
    alone = tuple(answer for payload in payloads for answer in _answer(validator, [payload]))
    _same(payloads, whole, alone, "each alone")
    lucky = random.Random(5)  # noqa: S311  where to cut is no secret
    for _ in range(SLICINGS):
        cuts = sorted(lucky.sample(range(1, len(payloads)), 6))
        edges = zip([0, *cuts], [*cuts, len(payloads)], strict=True)
        cut = tuple(answer for first, end in edges for answer in _answer(validator, payloads[first:end]))
        _same(payloads, whole, cut, f"cut at {cuts}")


def what_it_calls_json_is_json(bench: ValidatorBench) -> None:
    """Where `payload` is `json`, each accepted value is UTF-8, and one JSON text: readers are told so."""
    validator, payloads = bench.make(), bench.payloads
    if validator.payload != "json":
        return
    for payload, answer in zip(payloads, _answer(validator, payloads), strict=True):
        if answer == "accepted":
            try:
                json.loads(payload.decode(), parse_constant=_no_constant, parse_int=len)
            except (ValueError, RecursionError) as error:
                why = f"it accepts {payload!r:.200}, which is no JSON: {error}"
                raise BrokenContractError(why, "Validator.payload") from error


def a_batch_is_left_as_it_was(bench: ValidatorBench) -> None:
    """It changes nothing of the batch, and asks no more of its columns than that they are sequences."""
    batch = batch_of(bench.payloads)
    before = list(batch.values)
    validator = bench.make()
    plain = _outcome(validator.validate(batch), len(batch))
    expect(batch.values == before, "it changed the values of a batch", "Batch")
    barely = _outcome(validator.validate(replace(batch, values=_Barely(before))), len(batch))
    expect(barely == plain, "of values that are no list it says something else", "Batch")


def columns_are_the_same_for_all_slices(bench: ValidatorBench) -> None:
    """The names and types of columns do not depend on what is in a slice: a file has one schema."""
    if not bench.columns:
        return
    validator = bench.make()
    answers = [validator.validate(batch_of(some)) for some in (bench.payloads, bench.accepted[:1], bench.refused[:1])]
    schemas = [pa.table(answer.columns).schema for answer in answers if answer.columns is not None]
    expect(len(schemas) == len(answers), "for some slices it makes no columns", "Verdict")
    expect(all(schema == schemas[0] for schema in schemas), f"the columns differ: {schemas}", "Verdict")


VALIDATOR_CHECKS: tuple[Check[ValidatorBench], ...] = tuple(
    Check(run)
    for run in (
        an_unknown_option_is_refused,
        it_says_what_it_is,
        good_ones_are_accepted_and_bad_ones_refused,
        no_payload_makes_it_raise,
        every_answer_is_a_verdict,
        an_empty_batch_is_nothing,
        its_answers_never_change,
        slices_do_not_matter,
        what_it_calls_json_is_json,
        a_batch_is_left_as_it_was,
        columns_are_the_same_for_all_slices,
    )
)


def check_validator(
    validator: type[Validator],
    options: Mapping[str, object],
    *,
    accepted: Sequence[bytes] = (),
    refused: Sequence[bytes] = (),
    columns: bool = False,
    base_dir: Path | None = None,
    checks: Iterable[Check[ValidatorBench]] = VALIDATOR_CHECKS,
) -> None:
    """Hold a validator to the contract; raises one AssertionError that tells of every check that failed.

    `options` is the YAML's section without `type`; `accepted` and `refused` are payloads that it has to decide so,
    beside the hostile ones that every validator meets. `columns`: it makes columns, and is asked for them. `base_dir`
    (None: the working directory) is where relative paths start.
    """
    bench = ValidatorBench(validator, options, base_dir or Path.cwd(), tuple(accepted), tuple(refused), columns)
    run_checks(checks, lambda _: bench)


def _answer(validator: Validator, payloads: Sequence[bytes]) -> Answer:
    return _outcome(validator.validate(batch_of(payloads)), len(payloads))


def _outcome(verdict: Verdict, rows: int) -> Answer:
    verdict = sound(verdict, rows)
    refused: dict[int, Refusal] = {refusal.index: refusal for refusal in verdict.refused}
    skipped = set(verdict.skipped)

    def one(index: int) -> tuple[str, str | None, str] | str:
        if index in refused:
            return refused[index].reason, refused[index].field, refused[index].message
        return "skipped" if index in skipped else "accepted"

    return tuple(map(one, range(rows)))


def _same(payloads: Sequence[bytes], before: Answer, now: Answer, how: str) -> None:
    for payload, one, other in zip(payloads, before, now, strict=True):
        expect(one == other, f"of {payload!r:.200} it says {one} first, and {how} {other}", "Validator.validate")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is Python's, not JSON's")


class _Barely(Sequence[bytes | None]):
    """Values as some readers hand them over: neither a list nor a tuple."""

    def __init__(self, values: Sequence[bytes | None]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[bytes | None]: ...

    def __getitem__(self, at: int | slice) -> bytes | Sequence[bytes | None] | None:
        return _Barely(self._values[at]) if isinstance(at, slice) else self._values[at]
