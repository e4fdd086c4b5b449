"""Data sets that are made here, models trained on them, and recordings of both."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attnreport.tasks.demos import DEMOS as DEMOS
    from attnreport.tasks.demos import Demo as Demo
    from attnreport.tasks.demos import run_demo as run_demo
    from attnreport.tasks.pretrained import record_texts as record_texts

# Listing the demos must not cost the import of JAX, so each name is loaded when it is first used.
_HOME = {
    "DEMOS": "attnreport.tasks.demos",
    "Demo": "attnreport.tasks.demos",
    "record_texts": "attnreport.tasks.pretrained",
    "run_demo": "attnreport.tasks.demos",
}

__all__ = ["DEMOS", "Demo", "record_texts", "run_demo"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'attnreport.tasks' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
