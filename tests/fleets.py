"""The list of machines as the console tells it, of an engine."""

from typing import Any

from pipeline.console import overview
from pipeline.engine.engine import Engine


def listed(engine: Engine, **asked: str) -> list[dict[str, Any]]:
    """Every machine that is asked for, in order."""
    copy = overview.copied(engine)
    arranged = overview.Names(engine.fleet).arranged(copy, overview.Asked(**asked))
    return overview.rows(engine, copy, arranged.slots.tolist(), brief=False)
