"""What the columns of a model add to its scores."""

from __future__ import annotations

from typing import Any

from scalable.report.blocks.block import Block, table
from scalable.report.figures import explanation as figures
from scalable.report.figures.style import Palette, Picture
from scalable.report.format import count, score

OUTPUTS, SWARMED, DEPENDENCE = 3, 12, 6  # that are drawn


def explanation_block(section: dict[str, Any], palette: Palette) -> Block:
    """Return mean sizes, distributions and dependences of contributions, a set for each of the first outputs."""
    pictures: list[Picture] = []
    tables = []
    outputs = section["outputs"]
    for one in outputs[:OUTPUTS]:
        columns = one["columns"]
        whose = "" if len(outputs) == 1 else f", {one['output']}"
        sampled = [column for column in columns if column.get("contributions")]
        pictures.append(figures.mean_sizes(f"Mean size of contributions{whose}", columns[:SWARMED], palette))
        if sampled:
            pictures.append(figures.swarm(f"Contributions{whose}", sampled[:SWARMED], palette))
        pictures += [figures.dependence(column, whose, palette) for column in sampled[:DEPENDENCE]]
    for one in outputs:
        rows = [{"column": column["column"], "mean_abs": column["mean_abs"]} for column in one["columns"]]
        caption = f"{one['output']}, expected {score(one['expected'])}"
        tables.append(table(rows, (("Column", "column", str), ("Mean |SHAP|", "mean_abs", score)), caption))
    lead = (
        f"What each raw column adds to the score before its link, over {count(section['rows'])} rows. They and "
        "the expected score add up to the score; parts of an encoded column are added up."
    )
    notes = [f"Points are a sample of {count(section['sampled'])} rows, spread evenly over the data."]
    if len(outputs) > OUTPUTS:
        notes.append(f"{len(outputs) - OUTPUTS} more classes are in the tables only.")
    return Block("explanation", "Explanation", lead, pictures=pictures, tables=tables, notes=notes)
