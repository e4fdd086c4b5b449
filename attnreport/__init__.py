"""Attention capture for JAX models, and self-contained HTML reports from it."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what a type checker and an editor see
    from attnreport._errors import AttnReportError as AttnReportError
    from attnreport.capture import capture_attention as capture_attention
    from attnreport.capture import plan_attention as plan_attention
    from attnreport.capture import with_attention as with_attention
    from attnreport.outputs import write_comparison as write_comparison
    from attnreport.outputs import write_report as write_report
    from attnreport.recording import AttentionMap as AttentionMap
    from attnreport.recording import Check as Check
    from attnreport.recording import Generation as Generation
    from attnreport.recording import Recording as Recording
    from attnreport.recording import TokenAxis as TokenAxis
    from attnreport.recording import stitch_steps as stitch_steps
    from attnreport.report import render_comparison as render_comparison
    from attnreport.report import render_report as render_report
    from attnreport.store import load_recording as load_recording
    from attnreport.store import save_recording as save_recording

# What Python sees: a name costs its module's import only when it is first used, so that
# `attnreport --help` and a report made from a saved recording never pay for JAX.
_HOME = {
    "AttentionMap": "attnreport.recording",
    "AttnReportError": "attnreport._errors",
    "Check": "attnreport.recording",
    "Generation": "attnreport.recording",
    "Recording": "attnreport.recording",
    "TokenAxis": "attnreport.recording",
    "capture_attention": "attnreport.capture",
    "load_recording": "attnreport.store",
    "plan_attention": "attnreport.capture",
    "render_comparison": "attnreport.report",
    "render_report": "attnreport.report",
    "save_recording": "attnreport.store",
    "stitch_steps": "attnreport.recording",
    "with_attention": "attnreport.capture",
    "write_comparison": "attnreport.outputs",
    "write_report": "attnreport.outputs",
}

__all__ = [
    "AttentionMap",
    "AttnReportError",
    "Check",
    "Generation",
    "Recording",
    "TokenAxis",
    "capture_attention",
    "load_recording",
    "plan_attention",
    "render_comparison",
    "render_report",
    "save_recording",
    "stitch_steps",
    "with_attention",
    "write_comparison",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'attnreport' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
