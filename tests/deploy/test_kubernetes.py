"""deploy/kubernetes, built by kustomize and held against the API's own schemas, the pipeline and the image."""

import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.source import ROOT
from test_metrics import EXPORTED

from streamlake.config.load import load_pipeline

FOLDER = ROOT / "deploy" / "kubernetes"
BUILDS = ("base", "overlays/example")
API = "1.33.0"
"""Of the schemas: what is used here is in it and in later ones."""
NAMES = ("engine", "edge")


@cache
def build(name: str) -> list[dict[str, Any]]:
    """What kustomize makes of a folder."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", FOLDER / name], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def found(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (one,) = [
        d for d in documents if d["kind"] == kind and re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", d["metadata"]["name"])
    ]
    return one


def pod(documents: list[dict[str, Any]], name: str) -> dict[str, Any]:
    deployment = found(documents, "Deployment", f"streamlake-{name}")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


@pytest.fixture(params=BUILDS)
def documents(request: pytest.FixtureRequest, deploy_tools: None) -> list[dict[str, Any]]:
    return build(request.param)


def invalid(document: dict[str, Any]) -> Iterator[str]:
    import kubernetes_validate  # noqa: PLC0415  of the extra `deploy`

    try:
        kubernetes_validate.validate(document, API, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{document['kind']} {document['metadata']['name']}: {error.message}"


def test_every_object_is_one_that_the_api_takes(documents: list[dict[str, Any]]) -> None:
    assert [wrong for document in documents for wrong in invalid(document)] == []


def test_a_field_that_the_api_does_not_know_is_seen(deploy_tools: None) -> None:
    broken = deepcopy(found(build("base"), "Deployment", "streamlake-engine"))
    broken["spec"]["template"]["spec"]["terminationGraceSeconds"] = 60
    assert "terminationGraceSeconds" in "".join(invalid(broken))


def test_it_runs_the_pipeline_that_lies_in_it(documents: list[dict[str, Any]], tmp_path: Path) -> None:
    environment = found(documents, "ConfigMap", "streamlake-environment")["data"]
    for name, text in found(documents, "ConfigMap", "streamlake-pipeline")["data"].items():
        # A file of the Secret, where the pod has it.
        (tmp_path / name).write_text(text.replace("/run/secrets/streamlake", str(tmp_path)))
    (tmp_path / "kafka-password").write_text("secret")
    for name in NAMES:
        (container,) = pod(documents, name)["containers"]
        verb, *files = container["args"]
        assert verb == {"engine": "run", "edge": "serve"}[name]
        assert all(Path(file).parent == Path("/etc/streamlake") for file in files)
        config = load_pipeline([tmp_path / Path(file).name for file in files], environ=environment)
        assert config.http
        drains = {"engine": config.workers.drain_seconds, "edge": config.http.drain_seconds}
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod(documents, name)["terminationGracePeriodSeconds"] >= drains[name] + pause + 10
        listens = {"engine": config.metrics.listen, "edge": config.http.listen}
        (port,) = container["ports"]
        assert listens[name] == f"0.0.0.0:{port['containerPort']}"
        assert config.kafka.bootstrap_servers == environment["KAFKA_BOOTSTRAP_SERVERS"]
        probed = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
        assert probed == {"/livez", "/readyz"}
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez", "a parked partition needs no restart"
        annotations = found(documents, "Deployment", f"streamlake-{name}")["spec"]["template"]["metadata"][
            "annotations"
        ]
        assert annotations["prometheus.io/port"] == str(port["containerPort"])


def test_pods_keep_to_the_restricted_standard_and_can_write_to_tmp_alone(documents: list[dict[str, Any]]) -> None:
    for name in NAMES:
        spec = pod(documents, name)
        (container,) = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert spec["automountServiceAccountToken"] is False
        assert [one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")] == ["/tmp"]
        assert "memory" in container["resources"]["limits"]
        user = re.search(r"^USER (\d+):", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        assert user
        assert spec["securityContext"]["runAsUser"] == int(user[1])


def test_the_image_is_the_version_of_this_repository(documents: list[dict[str, Any]]) -> None:
    for name in NAMES:
        (container,) = pod(documents, name)["containers"]
        image, _, tag = container["image"].rpartition(":")
        assert (image.rpartition("/")[2], tag) == ("streamlake", version("streamlake"))


def test_whoever_selects_pods_selects_those(documents: list[dict[str, Any]]) -> None:
    labels = {
        name: found(documents, "Deployment", f"streamlake-{name}")["spec"]["template"]["metadata"]["labels"]
        for name in NAMES
    }
    selectors = [
        (document["kind"], part.get("matchLabels", part))
        for document in documents
        for part in (document.get("spec", {}).get("selector"), document.get("spec", {}).get("podSelector"))
        if part
    ]
    assert {kind for kind, _ in selectors} == {"Deployment", "PodDisruptionBudget", "NetworkPolicy", "Service"}
    for kind, selector in selectors:
        assert any(selector.items() <= of_pod.items() for of_pod in labels.values()), kind


def test_a_node_is_drained_one_pod_at_a_time(documents: list[dict[str, Any]]) -> None:
    for name in NAMES:
        budget = found(documents, "PodDisruptionBudget", f"streamlake-{name}")["spec"]
        assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_the_autoscaler_goes_by_a_lag_that_there_is_and_up_to_the_partitions(deploy_tools: None) -> None:
    documents = build("overlays/example")
    scaler = found(documents, "HorizontalPodAutoscaler", "streamlake-engine")["spec"]
    (rule,) = yaml.safe_load((FOLDER / "components/autoscaling/prometheus-adapter.yaml").read_text())["rules"][
        "external"
    ]
    assert rule["name"]["as"] == scaler["metrics"][0]["external"]["metric"]["name"]
    assert rule["seriesQuery"].partition("{")[0] in {family.name for family in EXPORTED}
    pipeline = yaml.safe_load((FOLDER / "base/pipeline.yaml").read_text())
    assert scaler["maxReplicas"] <= sum(topic["partitions"] for topic in pipeline["kafka"]["topics"])
    deployment = found(documents, "Deployment", "streamlake-engine")
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"], "or each apply would set it back"


def test_the_network_lets_in_and_out_what_is_needed(documents: list[dict[str, Any]]) -> None:
    kafka = {
        int(server.rpartition(":")[2])
        for server in found(documents, "ConfigMap", "streamlake-environment")["data"]["KAFKA_BOOTSTRAP_SERVERS"].split(
            ","
        )
    }
    for name in NAMES:
        policy = found(documents, "NetworkPolicy", f"streamlake-{name}")["spec"]
        (container,) = pod(documents, name)["containers"]
        opened = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
        assert opened == {port["name"] for port in container["ports"]}
        out = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
        assert out >= {53} | kafka
        assert (443 in out) == (name == "engine"), "the edge has no business with the bucket"
