"""What a kernel shows of its operands: their names, and by which axes of a grid it cuts them up."""

from typing import Any

from attnreport.capture.kernels.readings import Grid
from attnreport.capture.program.graph import Node
from attnreport.capture.program.jaxprs import is_literal, open_jaxpr


def seen_inside(node: Node) -> tuple[list[str], list[Grid | None], list[Grid | None]]:
    """The names of a kernel's operands, and how blocks of operands and results are chosen."""
    count, results = len(node.inputs), len(node.outputs)
    if node.primitive.startswith("dot_product_attention"):
        names, grid = _of_cudnn(node)
        return (
            [*names, *[""] * count][:count],
            [*grid, *[None] * count][:count],
            [grid[0]] * results,
        )
    mapping = node.params.get("grid_mapping")
    blocks = [_choices(each) for each in getattr(mapping, "block_mappings", ())]
    inputs = getattr(mapping, "num_inputs", 0)
    first = count - inputs
    information = getattr(node.params.get("jaxpr"), "debug_info", None)
    names = list(getattr(information, "arg_names", None) or ())
    # Before the operands with blocks come sizes of the grid, which have no name, and indices.
    named = names[getattr(mapping, "num_index_operands", 0) :][:inputs]
    return (
        [*[""] * first, *(str(name or "") for name in named), *[""] * count][:count],
        [*[None] * first, *blocks[:inputs], *[None] * count][:count],
        [*blocks[inputs:], *[None] * results][:results],
    )


def _of_cudnn(node: Node) -> tuple[tuple[str, ...], tuple[Grid, ...]]:
    """Names and blocks of cuDNN's kernel, written down as if it were one of Pallas."""
    batch, head, query, key = map(frozenset, ([0], [1], [2], [3]))
    heads_first = node.params.get("layout") == 1
    query_axes, key_axes = (
        (batch, *((head, each) if heads_first else (each, head)), frozenset[int]())
        for each in (query, key)
    )
    return ("query", "key", "value"), (query_axes, key_axes, key_axes)


def _choices(mapping: Any) -> Grid | None:
    """For each axis, the inputs of a block's index map that its index hangs on."""
    jaxpr = open_jaxpr(getattr(mapping, "index_map_jaxpr", None))
    if not hasattr(jaxpr, "invars"):
        return None
    known = {variable: frozenset([number]) for number, variable in enumerate(jaxpr.invars)}

    def read(atom: Any) -> frozenset[int]:
        return frozenset() if is_literal(atom) else known.get(atom, frozenset())

    for equation in jaxpr.eqns:
        both = frozenset().union(*map(read, equation.invars))
        known.update(dict.fromkeys(equation.outvars, both))
    return tuple(map(read, jaxpr.outvars))
