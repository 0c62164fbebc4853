"""Fetches jars by their Maven coordinates with jgo, the way this user's Maven would: mirror, proxy, repository."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from streamlake.engine.errors import LocalError
from streamlake.engine.local.lock import LockedJar

DOWNLOADS_AT_ONCE = 8
TRIES = 3


def fetch_jars(jars: Sequence[LockedJar], folder: Path) -> None:
    """Puts each of `jars` into `folder` under its file name.

    One that the user's `~/.m2/repository` (or `M2_REPO`) holds with the right bytes is copied; that folder is only
    read. The others are downloaded by jgo's Python resolver, from the mirror that `~/.m2/settings.xml` names, the
    `[repositories]` of jgo's own settings, or Maven Central. Bytes are compared by the caller, too. Raises LocalError.
    """
    if not find_spec("jgo"):
        raise LocalError("Apache Kafka is fetched by jgo, which isn't installed: `pip install 'streamlake[local]'`")
    with TemporaryDirectory(dir=folder) as staging, _proxy_of_settings():
        context = _context(Path(staging))
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            list(pool.map(lambda jar: _fetch(context, jar, folder), jars))


def _context(staging: Path) -> Any:
    from jgo.config import GlobalSettings  # noqa: PLC0415  an extra, and 0.3 s that only a first start pays
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    # jgo takes the first repository that has the file, so the user's own ones come before Maven Central.
    repositories = dict(GlobalSettings.load().repositories)
    repositories.setdefault("central", MAVEN_CENTRAL_URL)
    if mirror := mirror_of_central():
        repositories["central"] = mirror
    return MavenContext(repo_cache=staging, remote_repos=repositories, timeout=60)


def _fetch(context: Any, jar: LockedJar, folder: Path) -> None:
    target = folder / jar.file_name
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    at_home = _user_repository() / artifact.component.path_prefix / artifact.cached_filename
    if at_home.is_file() and hashlib.sha256(at_home.read_bytes()).hexdigest() == jar.sha256:
        shutil.copyfile(at_home, target)
        return
    shutil.move(_download(artifact), target)


def _download(artifact: Any) -> Path:
    for left in reversed(range(TRIES)):
        try:
            return Path(artifact.resolve())
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo raises RuntimeError for a 404
            # What a broken connection left behind would be taken for the whole file.
            artifact.cached_path.unlink(missing_ok=True)
            if not left:
                raise LocalError(
                    f"{artifact} can't be fetched: {error}; behind a mirror or a proxy, name it in ~/.m2/settings.xml "
                    "(<mirror>, <proxy>) or in HTTPS_PROXY"
                ) from error
    raise AssertionError("the last try returns or raises")


def _user_repository() -> Path:
    own = os.environ.get("M2_REPO")
    return Path(own) if own else Path.home() / ".m2" / "repository"


def mirror_of_central(settings_path: Path | None = None) -> str | None:
    """The URL of the first `<mirror>` in Maven's user settings that stands for Maven Central, if there is one."""
    for mirror in _settings_elements("mirrors/mirror", settings_path):
        of, url = mirror.get("mirrorOf", ""), mirror.get("url")
        patterns = [pattern.strip() for pattern in of.split(",")]
        if url and "!central" not in patterns and {"*", "external:*", "central"} & set(patterns):
            return url.rstrip("/")
    return None


@contextmanager
def _proxy_of_settings() -> Iterator[None]:
    """Lets requests see the active `<proxy>` of Maven's settings, unless the environment names one already."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        yield
        return
    proxies = [p for p in _settings_elements("proxies/proxy") if p.get("active", "true") == "true" and p.get("host")]
    if not proxies:
        yield
        return
    proxy = proxies[0]
    user = f"{quote(proxy['username'])}:{quote(proxy.get('password', ''))}@" if proxy.get("username") else ""
    os.environ["HTTPS_PROXY"] = f"http://{user}{proxy['host']}:{proxy.get('port', '8080')}"
    try:
        yield
    finally:
        del os.environ["HTTPS_PROXY"]


def _settings_elements(path: str, settings_path: Path | None = None) -> list[dict[str, str]]:
    settings_path = settings_path or Path.home() / ".m2" / "settings.xml"
    if not settings_path.is_file():
        return []
    try:
        root = ET.parse(settings_path).getroot()  # noqa: S314  the user's own file
    except ET.ParseError as error:
        raise LocalError(f"{settings_path} is not XML ({error}); mend it, or move it away") from error
    # The namespace is optional in Maven's settings; {*} matches with and without.
    found = root.findall("/".join(f"{{*}}{name}" for name in path.split("/")))
    return [{child.tag.rpartition("}")[2]: (child.text or "").strip() for child in item} for item in found]
