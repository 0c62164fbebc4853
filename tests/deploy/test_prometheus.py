"""deploy/prometheus and deploy/grafana name only what is exported, and each alert fires when it should."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.pages import blocks
from support.promql import used
from support.source import ROOT
from test_metrics import EXPORTED, full_name, labels_of

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "streamlake.json"
RUNBOOKS = ROOT / "docs" / "runbooks.md"

OF_TARGETS = frozenset({"instance", "part", "job"})
"""Labels that Prometheus itself gives a series; `part` stands in targets.yml."""


def known() -> Mapping[str, frozenset[str]]:
    """Each series that there is, with its labels."""
    found = {"up": OF_TARGETS}
    for family in EXPORTED:
        for name in {full_name(family), *(sample.name for sample in family.samples)}:
            found[name] = labels_of(family) | OF_TARGETS | ({"le"} if name.endswith("_bucket") else set())
    return found


KNOWN = known()


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def unknown(expression: str) -> Iterator[str]:
    """What an expression names that no engine and no edge exports."""
    names, labels = used(expression)
    yield from sorted(names - set(KNOWN))
    yield from sorted(labels - frozenset().union(*(KNOWN.get(name, frozenset()) for name in names)))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_uses_only_metrics_and_labels_that_there_are(rule: dict[str, Any], deploy_tools: None) -> None:
    assert list(unknown(rule["expr"])) == []
    said = " ".join(rule["annotations"].values())
    _, labels = used(rule["expr"])
    assert set(re.findall(r"\$labels\.(\w+)", said)) <= labels | {"instance"}


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_uses_only_metrics_and_labels_that_there_are(panel: dict[str, Any], deploy_tools: None) -> None:
    for target in panel["targets"]:
        names, _ = used(target["expr"])
        assert list(unknown(target["expr"])) == []
        legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert legend <= frozenset().union(*(KNOWN[name] for name in names))


def test_a_metric_or_a_label_that_there_is_not_is_seen(deploy_tools: None) -> None:
    assert list(unknown("sum by (topics) (streamlake_lags)")) == ["streamlake_lags", "topics"]
    assert list(unknown('rate(streamlake_records_total{reason="x"}[5m])')) == ["reason"]


def test_an_outcome_reason_or_exit_that_an_alert_names_is_one_that_there_is() -> None:
    from streamlake.engine.metrics import ENDS  # noqa: PLC0415
    from streamlake.http_edge.problems import TITLES  # noqa: PLC0415

    text = ALERTS.read_text()
    kinds = {"landed", "refused", "skipped", "stored", "unknown", "mixed", *TITLES}
    assert {one for said in re.findall(r'outcome=~?"([^"]+)"', text) for one in said.split("|")} <= kinds
    exits = {one for said in re.findall(r'exit[=!]~?"([^"]+)"', text) for one in said.split("|")}
    assert exits
    assert exits <= set(ENDS)


def test_each_alert_has_a_severity_a_summary_and_a_place_in_the_runbooks() -> None:
    headings = {line[3:].lower() for line in RUNBOOKS.read_text().splitlines() if line.startswith("## ")}
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (ROOT / page, anchor in headings) == (RUNBOOKS, True), rule["alert"]
    assert {rule["annotations"]["runbook"].partition("#")[2] for rule in rules()} == {
        heading for heading in headings if heading.startswith("streamlake")
    }, "and no runbook is of an alert that there is not"


def test_each_alert_fires_when_it_should_and_not_before(promtool: str) -> None:
    files = ALERTS.parent
    tested = {test["name"] for test in yaml.safe_load((files / "alerts_test.yml").read_text())["tests"]}
    assert tested == {rule["alert"] for rule in rules()}
    for arguments in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        done = subprocess.run([promtool, *arguments], cwd=files, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_relabelling_of_the_page(promtool: str, tmp_path: Path) -> None:
    (block,) = (one for one in blocks((ROOT / "docs" / "kubernetes.md").read_text()) if one.what == "relabelling.yml")
    # Debian's is built without Kubernetes.
    text = re.sub(r"kubernetes_sd_configs: .*", "static_configs: [{targets: []}]", block.text)
    (tmp_path / block.what).write_text(text)
    done = subprocess.run([promtool, "check", "config", block.what], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = yaml.safe_load(block.text)["scrape_configs"][0]["relabel_configs"][0]["regex"]
    for part in ("engine", "edge"):
        (deployment,) = (
            one
            for one in yaml.safe_load_all((DEPLOY / "kubernetes/base" / f"{part}.yaml").read_text())
            if one["kind"] == "Deployment"
        )
        names = [port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]]
        assert any(re.fullmatch(kept, name) for name in names), part


def test_a_threshold_that_is_changed_is_seen(promtool: str, tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(ALERTS.read_text().replace("> 600\n", "> 6000\n"))
    (tmp_path / "alerts_test.yml").write_text((ALERTS.parent / "alerts_test.yml").read_text())
    command = [promtool, "test", "rules", "alerts_test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "StreamLakeLagHigh" in done.stdout + done.stderr


def test_the_dashboard_is_what_its_program_writes() -> None:
    import runpy  # noqa: PLC0415

    program = runpy.run_path(str(DEPLOY / "grafana" / "dashboard.py"))
    assert json.loads(DASHBOARD.read_text()) == program["dashboard"](), "make docs"


def test_the_dashboard_is_one_that_grafanas_own_types_take_whole(deploy_tools: None) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415
    from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: PLC0415
    from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415

    register_default_plugins()
    wanted = json.loads(DASHBOARD.read_text())
    taken = json.loads(JSONEncoder().encode(Dashboard.from_json(wanted)))
    assert list(lost(wanted, taken)) == []
    assert list(lost({**wanted, "titel": "x"}, taken)) == ["titel"], "what they do not know is seen"


def lost(wanted: object, taken: object, path: str = "") -> Iterator[str]:
    """What of a document has not come back as it was."""
    match wanted, taken:
        case dict(), dict():
            for name in wanted:
                yield from lost(wanted[name], taken.get(name), f"{path}.{name}".lstrip("."))
        case list(), list() if len(wanted) == len(taken):
            for index, pair in enumerate(zip(wanted, taken, strict=True)):
                yield from lost(*pair, f"{path}[{index}]")
        case _ if wanted != taken:
            yield path


def test_no_two_panels_overlap_and_each_says_what_it_shows() -> None:
    cells: dict[tuple[int, int], str] = {}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert cells.setdefault((x, y), panel["title"]) == panel["title"]
    assert all(panel["description"].endswith(".") for panel in panels())
    assert len({panel["title"] for panel in panels()}) == len(panels())
