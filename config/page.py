"""`docs/configuration.md`: every setting with what it takes, its default, what it does, and when to change it.

The texts stand at the fields of the models, as `effect. Default: what. Change it when.`, so that the JSON Schema has
them, too. Sections have an effect alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from streamlake.config.kinds import takes
from streamlake.config.model import PipelineConfig
from streamlake.config.plugin import PluginSettings
from streamlake.config.quality import CheckSettings, QualitySettings
from streamlake.config.schema import PluginOptions
from streamlake.config.texts import told
from streamlake.engine.contracts import PluginOption

FIXED = ("pipeline", "python_path", "kafka", "sink", "metrics", "http.listen", "http.workers")
"""What a process keeps while it runs; it refuses a YAML in which they are others."""
READ_AT_EACH_CALL = ("completeness", "quality")
"""What no process keeps: their commands read the YAML."""

_MUST = "must be given"

EXAMPLES = {
    "": "pipeline: orders",
    "kafka": "kafka: {bootstrap_servers: 'kafka-1:9092,kafka-2:9092', group_id: streamlake.orders, start: earliest}",
    "kafka.topics[NAME]": "kafka: {topics: [{name: orders, partitions: 4, config: {retention.ms: 604800000}}]}",
    "kafka.security": "kafka: {security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, username: streamlake, "
    "password: '${KAFKA_PASSWORD}'}}",
    "kafka.security.oauth": "kafka: {security: {protocol: SASL_SSL, mechanism: OAUTHBEARER, oauth: {token_url: "
    "'https://id.example.org/token', client_id: streamlake, client_secret: '${KAFKA_PASSWORD}'}}}",
    "validator": "validator: {type: pydantic, model: 'streamlake.plugins.validators.orders:Order'}",
    "sink": "sink: {type: file, root: 'file:///var/lib/streamlake', format: parquet, columns: envelope}",
    "batch": "batch: {rows_max: 200000, bytes_max: 128MiB, seconds_max: 60s}",
    "dead_letters": "dead_letters: {topic: {name: orders.dlq, partitions: 1}}",
    "dead_letters.breaker": "dead_letters: {breaker: {ratio_max: 0.5, window_rows: 1000, consecutive_max: 500}}",
    "policies": "policies: {tombstone: skip, gap: stop, record_bytes_max: 1MiB}",
    "workers": "workers: {max: 64, restarts_max: 5, restart_window: 60s, drain_seconds: 30}",
    "metrics": "metrics: {listen: '127.0.0.1:9464'}",
    "alarms": "alarms: {retention_seconds_left_min: 6h}",
    "completeness": "completeness: {lateness: 10m}",
    "http": "http: {listen: '127.0.0.1:8080', workers: 2, streams: {orders: {topic: orders}}}",
    "http.streams.NAME": "http: {streams: {orders: {topic: orders, key_field: /customer_id, records_max: 1000}}}",
    "http.streams.NAME.dead_letters": "http: {streams: {orders: {dead_letters: {topic: {name: posts.dlq}}}}}",
    "quality": "quality: {examples_max: 5, checks: [{type: unique, column: order_id}]}",
    "quality.checks[]": "quality: {checks: [{type: volume, days: 7, severity: warn}]}",
}
"""One line of YAML for each section; a test loads each."""

MORE = {
    "kafka.security": "[security.md](security.md) has each way to sign in, as YAML to copy.",
    "validator": "[validation.md](validation.md) has each validator's answers, and how to write one.",
    "sink": "[gcs.md](gcs.md) has `gs://` in full, [plugins.md](plugins.md) how to write a sink.",
    "dead_letters": "[operations/dead-letters.md](operations/dead-letters.md) has what can be done with them.",
    "metrics": "[operations.md](operations.md#look) has the metrics.",
    "completeness": "[operations/completeness.md](operations/completeness.md) has all of it.",
    "http": "[http.md](http.md) has the edge in full.",
    "quality": "[operations/quality.md](operations/quality.md) has each check with an example.",
}
"""Where there is more to read of a section."""

_HEAD = """\
# Configuration

<!-- made by `make docs` from the models in config/ and the plugins' own options: change the texts there -->

A pipeline is one YAML file, or several that are merged left to right
([operations.md](operations.md#several-files-a-base-and-what-an-environment-has-different)). Unknown keys are refused
with the nearest known one. Editors show the same texts by
[config/pipeline.schema.json](../config/pipeline.schema.json); [config/examples](../config/examples) has whole
pipelines, and `streamlake explain PIPELINE.yaml` says what one will do.

- **Variables**: `${NAME}`, `${NAME:-default}` and `${file:PATH}` stand for a whole value or for a part of a text;
  `$$` is a `$`. `$NAME` without braces is refused.
- **`--set PATH=VALUE`** on the command line stands above all files; list items are named: `--set
  'kafka.topics[orders].partitions=8'`.
- **Sizes** are bytes or a number with kB, MB, GB, KiB, MiB or GiB (`64MiB`); **durations** are seconds or a number
  with ms, s, m, h or d (`10m`). Relative paths start at the YAML's folder.
- **SIGHUP** says whether a running process takes a change over when it gets that signal: *yes*; *no*, it refuses the
  new YAML as a whole, says so, goes on with the old one, and has to be started again; *each call*, since a command
  reads it. Of `http` it is `streamlake serve`, of all else `streamlake run`; `serve` takes over all but `http.listen`
  and `http.workers`.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: `default` is None where it has to be given; `kinds` are the types of plugin or check that have it."""

    path: str
    takes: str
    default: str | None
    effect: str
    when: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the YAML. `path` is "" for the top; `NAME` stands for any name, and list items have no step."""

    path: str
    sentence: str
    settings: tuple[Setting, ...]


def page(options: PluginOptions) -> str:
    """The page, with plugins' `options`."""
    return "\n".join([_HEAD, *(_part_text(part) for part in parts(options))])


def parts(options: PluginOptions) -> list[Part]:
    """Every section, in the order of a YAML. What two sections have in common is told once, and then named."""
    return list(_Parts(options).of(PipelineConfig, ""))


def reloading(path: str) -> str:
    """Whether SIGHUP takes a setting over."""
    if any(f"{path}.".startswith(f"{fixed}.") for fixed in FIXED):
        return "no"
    return "each call" if path.partition(".")[0] in READ_AT_EACH_CALL else "yes"


class _Parts:
    def __init__(self, options: PluginOptions) -> None:
        self._options = options
        self._told: dict[type[BaseModel], str] = {}  # where each section is told

    def of(self, model: type[BaseModel], path: str, sentence: str = "") -> Iterator[Part]:
        """The section's own settings, then the sections in it."""
        rows: list[Setting] = []
        below: list[tuple[type[BaseModel], str, str]] = []
        for name, field in model.model_fields.items():
            here = f"{path}.{name}".lstrip(".")
            found = _sections_in(field.annotation)
            if not found:
                rows.append(_setting(here, field))
            elif found[0] in self._told:
                link = self._told[found[0]]
                rows.append(replace(_setting(here, field, f"as [`{link}`](#{_anchor(link)})"), when=""))
            elif found[0] is PluginSettings:
                below.append((found[0], here, field.description or ""))
            else:
                inside = here + _step(field.annotation)
                self._told[found[0]] = inside
                below.append((found[0], inside, ""))
        if model is PluginSettings:
            self._told[model] = "validator"
            rows += self._of_plugins(path)
        yield Part(path, sentence or (model.__doc__ or "").partition("\n")[0], tuple(rows))
        for section, inside, what in below:
            if issubclass(section, CheckSettings):
                yield Part(inside, "One check; its `type` says what else it has.", tuple(_checks(inside)))
            else:
                yield from self.of(section, inside, what)

    def _of_plugins(self, path: str) -> Iterator[Setting]:
        found: dict[PluginOption, list[str]] = {}
        for kind, options in self._options.get(path, {}).items():
            for option in options:
                found.setdefault(option, []).append(kind)
        for option, kinds in found.items():
            effect, _, when = told(option.meaning)
            default = option.default if option.default is None else option.default or "none"
            takes_what = option.type.replace("|", "\\|")
            yield Setting(f"{path}.{option.name}", takes_what, default, effect, when, tuple(kinds))


def _checks(path: str) -> Iterator[Setting]:
    """The types, and then each setting with the types that have it."""
    found: dict[Setting, list[str]] = {}
    for check in _sections_in(QualitySettings.model_fields["checks"].annotation):
        for name, field in check.model_fields.items():
            kind = get_args(check.model_fields["type"].annotation)[0]
            found.setdefault(_setting(f"{path}.{name}", field), []).append(kind)
    types = [setting for setting in found if setting.path.endswith(".type")]
    yield from types
    for setting, kinds in found.items():
        if setting not in types:
            yield replace(setting, kinds=("all",) if len(kinds) >= len(types) - 1 else tuple(kinds))


def _setting(path: str, field: FieldInfo, what: str = "") -> Setting:
    effect, default, when = told(field.description or "")
    given = None if field.is_required() else default or "none"
    return Setting(path, what or takes(field.annotation, field.metadata), given, effect, when)


def _step(annotation: Any) -> str:
    """From a section to the ones that it has many of."""
    if get_origin(annotation) is tuple:
        name = _sections_in(annotation)[0].model_fields["name"]
        return "[NAME]" if name.is_required() else "[]"
    return ".NAME" if get_origin(annotation) is dict else ""


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The models in an annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _sections_in(part)]


def _part_text(part: Part) -> str:
    level = "###" if "." in part.path else "##"
    sentence = " ".join(text for text in (part.sentence, MORE.get(part.path, "")) if text)
    lines = [f"{level} {part.path or 'The top'}", "", sentence, "", "```yaml", EXAMPLES[part.path], "```", ""]
    lines += ["| setting | takes | default | SIGHUP | what it does | change it |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_row, part.settings), ""])


def _row(setting: Setting) -> str:
    kinds = f" ({', '.join(setting.kinds)})" if setting.kinds else ""
    default = _MUST if setting.default is None else setting.default
    cells = (f"`{setting.path}`{kinds}", setting.takes, default, reloading(setting.path), setting.effect, setting.when)
    return f"| {' | '.join(cell or '-' for cell in cells)} |"


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", heading.lower())
