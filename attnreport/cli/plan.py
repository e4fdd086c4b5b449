"""`attnreport plan`: which attention a model has, without running it."""

import json
from typing import Any

import click

from attnreport.cli.choices import choice_options, chosen
from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.target import explained, loaded, target_argument
from attnreport.cli.terminal import say


@click.command(context_settings=CONTEXT_SETTINGS)
@target_argument
@choice_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
def plan(target: str, as_json: bool, **options: Any) -> None:
    """Print every attention of a model, found without running it.

    FUNCTION of MODULE takes no arguments and returns what to look at: a tuple of a model or
    function, its positional arguments as a tuple, and perhaps its keyword arguments as a
    dictionary. Arrays may be jax.ShapeDtypeStruct. MODULE is imported with the current folder on
    the path.
    """
    with loaded(target) as (model, args, kwargs):
        from attnreport.capture.choice.options import Options
        from attnreport.capture.transformation import plan_attention

        wanted = Options(**chosen(**options))
        with explained("The model cannot be traced"):
            found = plan_attention(model, *args, options=wanted, **kwargs)
    say(json.dumps(_plain(found), indent=2) if as_json else str(found))


def _plain(plan: Any) -> dict[str, Any]:
    """The plan as JSON has it."""
    return {
        "attentions": [
            {
                "name": each.name,
                "kind": each.about.kind,
                "form": each.about.form,
                "axes": list(each.about.axes),
                "layers": list(each.about.layers),
                "heads": list(each.about.heads),
                "shape": list(each.shape),
                "bytes": each.bytes,
                "kept": each.kept,
                "left out": each.choice.left_out,
                "reduction": each.about.reduction,
                "place": each.about.place,
                "guesses": list(each.about.fallbacks),
                "notes": list(each.about.notes),
                "random": each.about.random,
            }
            for each in plan.attentions
        ],
        "bytes": plan.bytes,
        "over budget": plan.refusal,
        "notes": [*plan.said, *plan.notes],
    }
