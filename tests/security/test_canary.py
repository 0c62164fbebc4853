"""Marked secrets in every place where a secret can stand, and no sign of them in anything that comes out anywhere."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml
from support.broker import everything_in
from support.edge import RunningEdge, edge_yaml
from support.engine import AWAY, STREAMLAKE, Engine, pipeline_yaml, streamlake
from support.scene import Scene, orders
from support.secure import LANDER, MakeSecureScene, SecureKafka, secure_scene_in
from support.token_server import CLIENT, token_server
from support.waiting import wait_until

from streamlake.config.load import load_pipeline
from streamlake.engine.local.ports import free_ports

CANARY = "canary-4711"
USER, PASSWORD = "marked", f"{CANARY}-password"
WITHOUT_PASSWORD = {"username": None, "password": None}


def said(*arguments: str, env: dict[str, str] | None = None) -> str:
    """All that a command says, with the traceback of its error where it has one."""
    environment = {**os.environ, "STREAMLAKE_DEBUG": "1", **(env or {})}
    words = [*arguments[0].split(), *arguments[1:]]
    done = subprocess.run(
        [STREAMLAKE, *words], capture_output=True, text=True, timeout=90, env=environment, check=False
    )
    return f"exit code {done.returncode}\n{done.stdout}{done.stderr}"


def get(url: str) -> str:
    try:
        with urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return error.read().decode()


def processes(engine: Engine) -> Iterator[str]:
    """What `ps` shows of each process: title, command line, environment."""
    for process in engine.family():
        yield f"{process.name()} {process.cmdline()} {process.environ()}"


def left_behind(folder: Path, *but: str) -> Iterator[str]:
    """Every file below the folder, without those that hold a secret because the test put it there."""
    for path in [*folder.rglob("*"), *Path(os.environ["XDG_STATE_HOME"]).rglob("*")]:
        if path.is_file() and path.name not in but:
            yield f"{path} {path.read_bytes().decode(errors='replace')}"


def clean(*said: str, of: str = CANARY) -> None:
    """No secret in it; and it is not empty."""
    for text in said:
        assert text
        place = text.find(of)
        assert place < 0, f"…{text[max(0, place - 500) : place + 50]}…"


@pytest.fixture(scope="module")
def marked(secured: SecureKafka) -> SecureKafka:
    secured.add_user(USER, PASSWORD)
    secured.allow(USER, [("TOPIC", "*", "ALL"), ("GROUP", "*", "ALL")])
    return secured


@pytest.fixture(scope="module")
def scene(marked: SecureKafka, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A pipeline with its password in the YAML itself, and more secrets in properties that are not used."""
    unused = dict.fromkeys(("ssl.keystore.password", "sasl.oauthbearer.client.secret"), f"{CANARY}-property")
    scene = secure_scene_in(marked, tmp_path_factory.mktemp("canary"), username=USER, password=PASSWORD)
    tree = yaml.safe_load(scene.pipeline.read_text())
    tree["kafka"]["properties"].update(unused)
    tree["metrics"] = {"listen": f"127.0.0.1:{free_ports(1)[0]}"}
    scene.pipeline.write_text(yaml.safe_dump(tree))
    scene.produce(orders(100))
    return scene


@pytest.fixture(scope="module")
def landed(scene: Scene) -> Scene:
    """The same, with its records landed, whichever test has come before."""
    scene.run()
    return scene


def test_a_running_engine_shows_no_secret_anywhere(scene: Scene) -> None:
    with scene.engine(env={"STREAMLAKE_DEBUG": "1"}) as engine:
        url = f"http://{load_pipeline(scene.pipeline).metrics.listen}"
        wait_until(lambda: scene.landed() == 100, engine.log)
        clean(*(get(f"{url}/{page}") for page in ("metrics", "status", "readyz", "livez")), *processes(engine))
        engine.stop()
        clean("".join(engine.text))
    clean(*left_behind(scene.folder, scene.pipeline.name))
    copies = everything_in(load_pipeline(marked_open(scene)), scene.dead_topic)
    assert len(copies) == 2
    clean(*(f"{copy.headers()} {copy.key()!r} {copy.value()!r}" for copy in copies))


def marked_open(scene: Scene) -> Path:
    """The pipeline by the listener where nobody signs in."""
    tree = yaml.safe_load(scene.pipeline.read_text())
    del tree["kafka"]["security"]
    tree["kafka"]["bootstrap_servers"] = scene.servers
    path = scene.folder / "open.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.mark.parametrize(
    "command",
    [
        "validate --json",
        "status --json",
        "prove --kafka --json",
        "dead list --json",
        "offsets show --json",
        "replay plan --from 0 --to 10 --json",
        "topics describe --json",
        "topics diff --json",
    ],
)
def test_no_command_shows_a_secret(landed: Scene, command: str) -> None:
    words = command.split()
    verbs = [word for word in words[:2] if not word.startswith("-")]
    found = said(*verbs, str(landed.pipeline), *words[len(verbs) :])
    assert found.startswith("exit code 0\n"), found
    clean(found)


def test_a_password_from_anywhere_is_in_no_failure(marked: SecureKafka, secure_scene: MakeSecureScene) -> None:
    """What fails is shown with its traceback: the sign-in, the files, the plugins, the YAML itself."""
    wrong = f"{CANARY}-wrong"
    scene = secure_scene(username=USER, password="${file:secret}")
    (scene.folder / "secret").write_text(wrong)
    pipeline = str(scene.pipeline)
    sources = ("${file:secret}", "${SECRET}", "${SECRET:-}")
    commands = [
        (verb, pipeline, "--set", f"kafka.security.password={given}")
        for verb, given in zip(("run", "topics describe", "offsets show"), sources, strict=True)
    ]
    failing = (
        "validator={type: 'nowhere:Nobody'}",
        "sink.root=/proc/nowhere",
        "kafka.security.ca=/nowhere/ca.pem",
        "kafka.security.protocol=PLAINTEXT",
        "kafka.properties={ssl.cipher.suites: none-such}",
        f"kafka.security.password={wrong}",
    )
    commands += [("run", pipeline, "--set", one) for one in failing]
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(lambda command: said(*command, env={"SECRET": wrong}), commands):
            assert not found.startswith("exit code 0\n"), found
            clean(found)
    clean(*left_behind(scene.folder, "secret"))


def test_a_key_and_its_password_show_nowhere(secured: SecureKafka, secure_scene: MakeSecureScene) -> None:
    crt = secured.certificates.client(LANDER, password=f"{CANARY}-key")
    key = crt.with_suffix(".key").read_text()
    scene = secure_scene("MUTUAL", certificate=str(crt), key=key, key_password=f"{CANARY}-key")
    scene.produce(orders(60))
    with scene.engine("--until-end", env={"STREAMLAKE_DEBUG": "1"}) as engine:
        assert engine.wait() == 0, engine.log()
    wrong = said("validate", str(scene.pipeline), "--set", "kafka.security.key_password=${W}", env={"W": CANARY})
    unfit = said("validate", str(scene.pipeline), "--set", f"kafka.security.certificate={secured.certificates.ca}")
    for secret in (CANARY, key.splitlines()[1]):
        clean("".join(engine.text), wrong, unfit, *left_behind(scene.folder, scene.pipeline.name), of=secret)
    assert "does not open the key" in wrong
    assert "does not belong to" in unfit


def test_a_client_secret_shows_nowhere_though_the_server_repeats_it(secure_scene: MakeSecureScene) -> None:
    with token_server() as (_, url):
        oauth = {"token_url": url, "client_id": CLIENT, "client_secret": f"{CANARY}-client"}
        scene = secure_scene(mechanism="OAUTHBEARER", **WITHOUT_PASSWORD, oauth=oauth)
        for verb in ("run", "serve"):
            found = said(verb, str(scene.pipeline))
            clean(found)
        assert "not these: streamlake:(not shown)" in said("status", str(scene.pipeline))


def test_a_bucket_s_credentials_show_nowhere(tmp_path: Path) -> None:
    account = {"type": "service_account", "project_id": "p", "private_key_id": "1", "client_email": "a@b.example"}
    account |= {"private_key": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n", "token_uri": "http://127.0.0.1:1/token"}
    (tmp_path / "account.json").write_text(json.dumps(account))
    pipeline = str(pipeline_yaml(tmp_path, AWAY, "orders", sink__root="gs://nobody-s/lake"))
    for given in ("account.json", "${file:account.json}", "${ACCOUNT}"):
        settings = f"sink.gcs={{credentials: '{given}', retry_seconds_max: 1, request_seconds_max: 1}}"
        found = said("validate", pipeline, "--set", settings, env={"ACCOUNT": json.dumps(account)})
        assert found.startswith("exit code 78\n"), found
        clean(found)


def test_an_api_key_shows_nowhere_but_where_it_is_made(secured: SecureKafka, tmp_path: Path) -> None:
    pipeline = edge_yaml(
        tmp_path, secured.bootstrap_servers, http__auth="keys", http__keys_file=str(tmp_path / "keys.json")
    )
    key = streamlake("keys", "new", str(pipeline), "--name", "shop").stdout.strip()
    with RunningEdge(pipeline) as edge:
        assert edge.post(b"{}", authorization=f"Bearer {key}").status == 202
        assert edge.post(b"{}", authorization=f"Bearer {key}{CANARY}").status == 401
        pages = [edge.request("GET", page).body.decode() for page in ("/metrics", "/readyz", "/openapi.json")]
        shown = [edge.log(), *pages, *processes(edge), said("keys list", str(pipeline)), *left_behind(tmp_path)]
    for secret in (key, CANARY):
        clean(*shown, of=secret)
