"""What the file sink is told of Google Cloud Storage (`sink.gcs`), checked; all of it may be left out."""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from streamlake.engine.contracts import PluginOption
from streamlake.engine.errors import ConfigError

BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")  # cloud.google.com/storage/docs/buckets#naming
KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
PREFIX_BYTES_MAX = 300
"""What a root may take of the 1,024 bytes that an object's name may have."""

DEFAULT, ANONYMOUS = "default", "anonymous"

OPTIONS = (
    PluginOption(
        "gcs.credentials",
        f"{DEFAULT} | {ANONYMOUS} | path",
        DEFAULT,
        "Who we are: Google's own order of looking, nobody, or a service account's key file. Change it where neither "
        "the environment nor the machine says who we are.",
    ),
    PluginOption(
        "gcs.billing_project",
        "text",
        "",
        "The project that pays for requests. Change it where the bucket's requester pays.",
    ),
    PluginOption(
        "gcs.kms_key",
        "projects/P/locations/L/keyRings/R/cryptoKeys/K",
        "",
        "The key that encrypts what is written. Change it where it is to be another than the bucket's own default.",
    ),
    PluginOption(
        "gcs.endpoint",
        "URL",
        "",
        "Another server than Google's public one. Change it for Private Service Connect, or for a server to try out.",
    ),
    PluginOption(
        "gcs.request_seconds_max",
        "duration, 100ms to 1d",
        "30s",
        "How long one request may take. Change it on slow lines (more).",
    ),
    PluginOption(
        "gcs.retry_seconds_max",
        "duration, 100ms to 1d",
        "300s",
        "How long the storage is waited for, in all, for one batch; then the worker ends, and the next one tries. "
        "Change it to bridge longer outages without restarts (more); below some 15s an outage parks partitions soon.",
    ),
)
"""The fields of GcsOptions, for people."""


@dataclass(frozen=True, slots=True)
class GcsOptions:
    """How to come to a bucket.

    `credentials`: `default` is Google's own order (GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, workload identity,
    the machine's account), `anonymous` none at all, anything else a key file. `billing_project` pays for the requests
    to a bucket whose requester pays. `kms_key` encrypts what is written. `endpoint` is another server than Google's.
    """

    credentials: str = DEFAULT
    billing_project: str | None = None
    kms_key: str | None = None
    endpoint: str | None = None
    request_seconds_max: float = 30.0
    retry_seconds_max: float = 300.0

    @classmethod
    def parse(cls, options: object, base_dir: Path) -> Self:
        """Check the section; a key file's path starts at `base_dir`. Raises ConfigError with every problem in it."""
        if not isinstance(options, Mapping):
            raise ConfigError(f"sink.gcs: {options!r} is no section; for instance gcs: {{retry_seconds_max: 300}}")
        known = [one.name for one in fields(cls)]
        problems = [_unknown(str(name), known) for name in options if name not in known]
        texts = {name: _text(options, name, problems) for name in known[:4]}
        seconds = {name: _seconds(options, name, problems) for name in known[4:]}
        if texts["kms_key"] is not None and not KEY.fullmatch(texts["kms_key"]):
            problems.append(
                f"sink.gcs.kms_key: {texts['kms_key']!r} names no key; for instance "
                "projects/P/locations/L/keyRings/R/cryptoKeys/K"
            )
        if texts["endpoint"] is not None and not re.match(r"https?://[^/]+", texts["endpoint"]):
            problems.append(f"sink.gcs.endpoint: {texts['endpoint']!r} is no URL; for instance http://127.0.0.1:4443")
        credentials = texts["credentials"] or DEFAULT
        if "{" in credentials:
            raise ConfigError("sink.gcs.credentials: is the content of a key file (not shown): name the file itself")
        if credentials not in (DEFAULT, ANONYMOUS):
            credentials = str(base_dir.absolute() / credentials)
            if not Path(credentials).is_file():
                problems.append(
                    f"sink.gcs.credentials: there is no file {credentials}; name a service account's key file, "
                    f"{DEFAULT} or {ANONYMOUS}"
                )
        if problems:
            raise ConfigError(*problems)
        return cls(
            credentials=credentials,
            billing_project=texts["billing_project"],
            kms_key=texts["kms_key"],
            endpoint=texts["endpoint"],
            **{name: value for name, value in seconds.items() if value is not None},
        )

    @property
    def token(self) -> str:
        """What gcsfs calls this: an emulator, by its variable, asks for no credentials."""
        emulated = os.environ.get("STORAGE_EMULATOR_HOST", "") not in {"", "default"} and self.endpoint is None
        if self.credentials == ANONYMOUS or (self.credentials == DEFAULT and emulated):
            return "anon"
        return "google_default" if self.credentials == DEFAULT else self.credentials


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, and the prefix of all names in it: empty, or ending in a slash."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, root: str) -> Self:
        """`gs://bucket/prefix`. Raises ConfigError."""
        bucket, _, prefix = root.partition("://")[2].partition("/")
        if not BUCKET.fullmatch(bucket):
            raise ConfigError(f"sink.root {root!r}: {bucket!r} can't be a bucket; for instance gs://my-bucket/lake")
        prefix = prefix.rstrip("/")
        if prefix and not all(prefix.split("/")):
            raise ConfigError(f"sink.root {root!r}: write the prefix without empty parts (`//`)")
        if len(prefix.encode()) > PREFIX_BYTES_MAX or re.search(r"[\x00-\x1f\x7f]", prefix):
            raise ConfigError(
                f"sink.root {root!r}: a prefix has at most {PREFIX_BYTES_MAX} bytes and no control characters"
            )
        return cls(bucket, f"{prefix}/" if prefix else "")

    def name(self, path: str) -> str:
        """The object of a path below the root."""
        return self.prefix + path

    def url(self, path: str) -> str:
        """The same for a person."""
        return f"gs://{self.bucket}/{self.prefix}{path}"


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"sink.gcs.{name}: there is no such option; " + (
        f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    )


def _text(options: Mapping[str, object], name: str, problems: list[str]) -> str | None:
    value = options.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    problems.append(f"sink.gcs.{name}: {value!r} is no text")
    return None


def _seconds(options: Mapping[str, object], name: str, problems: list[str]) -> float | None:
    value = options.get(name)
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)?", str(value)) if not isinstance(value, bool) else None
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2] or "s"] if match else 0.0
    if 0.1 <= seconds <= 86_400:
        return seconds
    problems.append(f"sink.gcs.{name}: {value!r} is not between 0.1s and 24h; for instance 30s")
    return None
