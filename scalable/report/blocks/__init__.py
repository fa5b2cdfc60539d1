"""Blocks of a report: each turns one section of a results document into cards, figures and tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scalable.report.blocks.block import Block, Card
from scalable.report.blocks.explanation import explanation_block
from scalable.report.blocks.latency import latency_block
from scalable.report.blocks.load import load_block
from scalable.report.blocks.monitoring import monitor_block
from scalable.report.blocks.peers import peers_block
from scalable.report.blocks.plain import plain_block
from scalable.report.blocks.progress import history_block, waterfall_block
from scalable.report.blocks.quality import quality_block
from scalable.report.blocks.run import dataset_block, stages_block
from scalable.report.blocks.scaling import scaling_block
from scalable.report.blocks.search import search_block
from scalable.report.blocks.tradeoffs import tradeoffs_block
from scalable.report.figures.style import Palette

# In the order of a page. A section's function takes (section, palette) and returns a Block.
BLOCKS: dict[str, Callable[[Any, Palette], Block]] = {
    "dataset": dataset_block,
    "monitor": monitor_block,
    "stages": stages_block,
    "search": search_block,
    "quality": quality_block,
    "explanation": explanation_block,
    "latency": latency_block,
    "load": load_block,
    "peers": peers_block,
    "tradeoffs": tradeoffs_block,
    "scaling": scaling_block,
    "waterfall": waterfall_block,
    "history": history_block,
}


def build_blocks(sections: dict[str, Any], palette: Palette) -> list[Block]:
    """Return the blocks of a document's sections; those unknown or of another shape become plain tables."""
    known = [name for name in BLOCKS if sections.get(name)]
    others = [name for name in sections if name not in BLOCKS and sections[name]]
    blocks = [_known_block(name, sections[name], palette) for name in known]
    return blocks + [plain_block(name, sections[name]) for name in others]


def _known_block(name: str, section: Any, palette: Palette) -> Block:
    try:
        return BLOCKS[name](section, palette)
    except Exception:  # whatever is wrong with one section must not cost the reader the others
        block = plain_block(name, section)
        block.notes.append(f"Shown as it is, for it is not of the shape that “{name}” has here.")
        return block


__all__ = ["BLOCKS", "Block", "Card", "build_blocks"]
