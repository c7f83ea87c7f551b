"""Prometheus' own tool, for tests of what is deployed with it: rules are checked, and expressions evaluated, by it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "teltubby.json"

_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Raises FileNotFoundError where it is not installed: scripts/install-package.sh prometheus."""
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)


def alerts() -> Mapping[str, str]:
    """Every alert with its expression."""
    found = re.findall(r"- alert: (\w+)\n +expr: '(.+)'\n", RULES.read_text())
    assert len(found) == RULES.read_text().count("alert:")
    return dict(found)


def panels() -> Sequence[tuple[str, str]]:
    """Every expression of the dashboard with its panel's title, Grafana's variables filled in."""
    board = json.loads(DASHBOARD.read_text())
    return [
        (panel["title"], target["expr"].replace("$instance", ".*").replace("$__rate_interval", "5m"))
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression names, as they stand in a scrape."""
    return set(re.findall(r"\bteltubby_\w+", expression))


def names_in(scrape: str) -> set[str]:
    """Those of the samples of a scrape."""
    return {match["name"] for line in scrape.splitlines() if (match := _SAMPLE.match(line))}


def scraped(scrape: str, *, job: str = "teltubby", instance: str = "here") -> Mapping[str, str]:
    """Series as Prometheus keeps them after a scrape, with values that stay the same for an hour."""
    where = f'job="{job}",instance="{instance}"'
    series = {f"up{{{where}}}": "1+0x60"}
    for line in scrape.splitlines():
        if match := _SAMPLE.match(line):
            labels = f"{match['labels']},{where}" if match["labels"] else where
            series[f"{match['name']}{{{labels}}}"] = f"{float(match['value']):f}+0x60"
    return series


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series, and expressions that each give one sample of this value without labels; `at` is a time of the series."""

    series: Mapping[str, str]
    expected: Mapping[str, float]
    at: str = "50m"

    def as_test(self) -> Mapping[str, object]:
        """As promtool reads it."""
        return {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in self.series.items()],
            "promql_expr_test": [
                {"expr": expression, "eval_time": self.at, "exp_samples": [{"labels": "{}", "value": value}]}
                for expression, value in self.expected.items()
            ],
        }


def evaluated(folder: Path, cases: Sequence[Case], *, rules: bool = False) -> str:
    """What promtool has against them; "" when it has nothing."""
    test = {
        "rule_files": [str(RULES)] if rules else [],
        "evaluation_interval": "5m",
        "tests": [case.as_test() for case in cases],
    }
    file = folder / "test.yml"
    file.write_text(json.dumps(test))  # JSON is YAML
    done = promtool("test", "rules", str(file))
    return "" if done.returncode == 0 else done.stdout + done.stderr
