"""Options of capture that may as well be meant for the model."""

import functools
import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attnreport._errors import CaptureError
from attnreport.capture.linen_calls import linen_call
from attnreport.capture.program.functions import without_jit


def require_apart(
    model: Any, inputs: Sequence[Any], kwargs: Mapping[str, Any], options: Collection[str]
) -> None:
    """Raises if an option that the caller gave may as well be meant for the model.

    Args:
        model: As in `capture_attention`.
        inputs: Its positional arguments.
        kwargs: Its keyword arguments; what is among them is not in doubt.
        options: Names of the options that the caller gave.
    """
    for name in sorted(set(options) & _open_parameters(model, inputs) - kwargs.keys()):
        raise CaptureError(
            f"`{name}` may be meant for the model, which has an argument of that name, or for the "
            f"recording. Pass the model's as `kwargs={{'{name}': …}}`, be it None; `{name}=…` "
            "beside it is then the recording's."
        )


def _open_parameters(model: Any, inputs: Sequence[Any]) -> set[str]:
    """Names of the model's arguments that its positional inputs do not fill."""
    linen_form = linen_call(model, inputs)
    if linen_form is not None:
        module, (_, *inputs) = linen_form[0], linen_form[1] or (None,)
        model = functools.partial(type(module).__call__, module)
    try:
        signature = inspect.signature(without_jit(model))
        filled = signature.bind_partial(*inputs).arguments
    except (TypeError, ValueError):  # built into Python, or a wrong call, which the model refuses
        return set()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = {each.name for each in signature.parameters.values() if each.kind not in several}
    return named - filled.keys()
