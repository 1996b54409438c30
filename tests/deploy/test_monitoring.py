"""The dashboard and the alerts speak of what is exported, and of all of it."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nameplate import errors, metrics
from nameplate.call import Registry
from nameplate.http.probes import Probes
from nameplate.refusal import Refusal
from tests.deploy import files
from tests.deploy.proxy import find

FAILED = 500


@pytest.fixture
def engine() -> str:
    """What is exported is the same on each."""
    return "sqlite"


@pytest.fixture
def exported(registry: Registry) -> dict[str, str]:
    """The types of all metrics, by name."""
    found = re.findall(r"^# TYPE (nameplate_\w+) (\w+)$", metrics.render(Probes(registry)).decode(), re.MULTILINE)
    # The library adds when a counter began.
    return {name: kind for name, kind in found if not name.endswith("_created")}


def series(name: str, kind: str) -> set[str]:
    return {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = files.dashboard()["panels"]
    return found


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


def rules() -> list[dict[str, Any]]:
    return [rule for group in files.load_yaml("prometheus-alerts.yml")["groups"] for rule in group["rules"]]


def named(expressions: list[str]) -> set[str]:
    return {name for expression in expressions for name in re.findall(r"\bnameplate_\w+", expression)}


def test_every_query_is_of_what_is_exported(exported: dict[str, str]) -> None:
    there = set().union(*(series(name, kind) for name, kind in exported.items()))
    assert named(queries()) <= there
    assert named([rule["expr"] for rule in rules()]) <= there


def test_everything_that_is_exported_is_on_the_dashboard(exported: dict[str, str]) -> None:
    shown = named(queries())
    assert not [name for name, kind in exported.items() if not series(name, kind) & shown]


def test_panels_have_ids_of_their_own_and_the_chosen_datasource() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    [variable] = files.dashboard()["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    drawn = [panel for panel in panels() if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in drawn} == {"${datasource}"}
    assert all(panel["targets"] for panel in drawn)


def test_panels_lie_beside_one_another() -> None:
    taken = [cell for panel in panels() for cell in cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken)


def cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_the_codes_that_count_as_failures_are_those_of_5xx() -> None:
    codes = {found.code for found in vars(errors).values() if isinstance(found, Refusal) and found.status >= FAILED}
    matched = re.findall(r'outcome=~"([^"]*)"', " ".join([*queries(), *(rule["expr"] for rule in rules())]))
    assert matched
    assert all(set(pattern.split("|")) == codes for pattern in matched)


def test_every_alert_says_what_to_do() -> None:
    assert {rule["alert"] for rule in rules()} >= {"NameplateNoWorker", "NameplateDatabaseDown", "NameplatePartsWait"}
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "action"}
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_jobs_are_services_of_the_compose_file_with_their_ports() -> None:
    services = files.compose({})["services"]
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in files.load_yaml("prometheus.yml")["scrape_configs"]}
    for job, found in jobs.items():
        [service] = found["names"]
        assert job == f"nameplate-{service}"
        assert str(found["port"]) in services[service]["command"]
    wanted = {name for rule in rules() for name in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert wanted <= jobs.keys()


def test_what_grafana_reads_is_where_the_compose_file_puts_it() -> None:
    mounts = dict(volume.split(":")[:2] for volume in files.compose({})["services"]["grafana"]["volumes"])
    [provider] = files.load_yaml("grafana/provisioning/dashboards/nameplate.yml")["providers"]
    assert Path(mounts["./grafana/nameplate.json"]).parent == Path(provider["options"]["path"])
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    [source] = files.load_yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"].startswith("http://prometheus:")


@pytest.mark.skipif(find("promtool") is None and not os.environ.get("CI"), reason="promtool is not here")
def test_prometheus_takes_its_files(tmp_path: Path) -> None:
    """The dashboard's queries too, as if they were rules."""
    told = [query.replace("$__rate_interval", "1m") for query in queries()]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(told)]
    (tmp_path / "queries.yml").write_text(files.dump_yaml({"groups": [{"name": "queries", "rules": rules}]}))
    program = find("promtool")
    assert program is not None
    for kind, path in (("config", files.DEPLOY / "prometheus.yml"), ("rules", tmp_path / "queries.yml")):
        checked = subprocess.run([program, "check", kind, str(path)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
