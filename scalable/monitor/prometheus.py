"""What a monitor counted, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scalable.monitor.findings import Finding
from scalable.monitor.run import Report


def prometheus_text(report: Report, model: str) -> str:
    """Return the figures of the last period, and the alarms of all."""
    last = max(report.rows, default=0)
    name = f'model="{_quoted(model)}"'
    lines = [
        "# TYPE scalable_monitor_rows gauge",
        f"scalable_monitor_rows{{{name}}} {report.rows.get(last, 0)}",
    ]
    lines += figures({model: [finding for finding in report.findings if finding.period == last]})
    lines += ["# TYPE scalable_monitor_alarms gauge"]
    lines.append(f"scalable_monitor_alarms{{{name}}} {len(report.alarms)}")
    return "\n".join(lines) + "\n"


def figures(found: Mapping[str, Iterable[Finding]]) -> list[str]:
    """Return lines of figures by model, their thresholds and whether they are alarms."""
    lines = []
    for name in ("value", "threshold", "alarm"):
        lines.append(f"# TYPE scalable_monitor_{name} gauge")
        for model, findings in found.items():
            for finding in findings:
                shown = getattr(finding, name)
                if shown is not None:
                    where = {"model": model, "column": finding.column, "statistic": finding.statistic}
                    labels = ",".join(f'{key}="{_quoted(text)}"' for key, text in where.items())
                    lines.append(f"scalable_monitor_{name}{{{labels}}} {float(shown):g}")
    return lines


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
