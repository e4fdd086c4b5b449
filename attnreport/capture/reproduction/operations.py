"""How each operation of a program is written in Python."""

from collections.abc import Callable
from typing import Any

from jax.extend.core import primitives

from attnreport.capture.program.jaxprs import manual_axes
from attnreport.capture.reproduction.literals import UnwritableError, source_of
from attnreport.capture.reproduction.sketch import Line
from attnreport.capture.reproduction.writer import Way, Writer, tuple_of

_PRIMITIVES = {
    getattr(primitives, name).name: name for name in dir(primitives) if name.endswith("_p")
}


def by_primitive(writer: Writer, line: Line) -> list[str]:
    """An operation by its primitive."""
    attribute = _PRIMITIVES.get(line.primitive)
    if attribute is None or line.bodies:
        raise UnwritableError(line.primitive)
    params = [f"{name}={_param(name, value)}" for name, value in line.params.items()]
    call = f"op.{attribute}.bind({', '.join([*writer.read(line.inputs), *params])})"
    return assigned(writer, line, call, several=getattr(primitives, attribute).multiple_results)


def assigned(writer: Writer, line: Line, call: str, *, several: bool) -> list[str]:
    """What a call gives, under the names of the line's outputs."""
    names = [writer.name(each) for each in line.outputs]
    return [f"{tuple_of(names) if several else names[0]} = {call}"]


def _param(name: str, value: Any) -> str:
    if name.endswith("sharding"):
        return "None"  # on which devices arrays lie is left out
    return '"tag"' if name == "name" else source_of(value)


def _by_call(template: str, *names: str, several: bool = False) -> Way:
    """An operation by a public function, with some of its parameters.

    Args:
        template: The call; operands by number or as `all`, parameters by name.
        names: The parameters.
        several: Whether it gives several arrays.
    """

    def write(writer: Writer, line: Line) -> list[str]:
        operands = writer.read(line.inputs)
        params = {name: _param(name, line.params[name]) for name in names}
        call = template.format(*operands, all=", ".join(operands), **params)
        return assigned(writer, line, call, several=several)

    return write


def _with_keys(template: str) -> Way:
    """An operation on typed random keys, whose kind is told by its name."""

    def write(writer: Writer, line: Line) -> list[str]:
        kind = source_of(line.params["impl"].name)
        call = template.format(*writer.read(line.inputs), impl=kind)
        return assigned(writer, line, call, several=False)

    return write


def _calling(template: str) -> Way:
    """A call of a body; the template makes the function that is called of it."""

    def write(writer: Writer, line: Line) -> list[str]:
        (body,) = line.bodies
        name, function = writer.function(body)
        call = f"{template.format(name)}({', '.join(writer.read(line.inputs))})"
        return [*function, *assigned(writer, line, call, several=True)]

    return write


def _each(template: str, *names: str) -> Way:
    """An operation that does the same to each operand, by a call for each of them."""

    def write(writer: Writer, line: Line) -> list[str]:
        params = {name: _param(name, line.params[name]) for name in names}
        calls = [template.format(each, **params) for each in writer.read(line.inputs)]
        return assigned(writer, line, tuple_of(calls), several=True)

    return write


def _empty(writer: Writer, line: Line) -> list[str]:
    """An array of anything, or the number of this platform: here zeros."""
    (made,) = line.outputs
    call = f"lax.full({source_of(made.shape)}, 0, {source_of(made.dtype)})"
    return assigned(writer, line, call, several=False)


def _scan(writer: Writer, line: Line) -> list[str]:
    (body,) = line.bodies
    fixed, carried = line.counts

    def apart(names: list[str]) -> str:
        return f"{tuple_of(names[:carried])}, {tuple_of(names[carried:])}"

    operands = writer.read(line.inputs)
    name, function = writer.function(
        body,
        given=operands[:fixed],
        takes=["carry", "each"],
        opening=lambda names: [f"{apart(names)} = carry, each"],
        result=apart,
    )
    options = [f"{each}={source_of(line.params[each])}" for each in _SCAN]
    call = f"lax.scan({', '.join([name, apart(operands[fixed:]), *options])})"
    return [*function, f"{apart([writer.name(each) for each in line.outputs])} = {call}"]


def _while(writer: Writer, line: Line) -> list[str]:
    body, condition = line.bodies
    outside, fixed = line.counts
    operands = writer.read(line.inputs)

    def carry(names: list[str]) -> list[str]:
        return [f"{tuple_of(names)} = carry"]

    until, first = writer.function(
        condition, operands[:outside], ["carry"], carry, lambda names: names[0]
    )
    repeated, second = writer.function(
        body, operands[outside : outside + fixed], ["carry"], carry, tuple_of
    )
    call = f"lax.while_loop({until}, {repeated}, {tuple_of(operands[outside + fixed :])})"
    return [*first, *second, *assigned(writer, line, call, several=True)]


def _cond(writer: Writer, line: Line) -> list[str]:
    written = [writer.function(body) for body in line.bodies]
    index, *operands = writer.read(line.inputs)
    names = ", ".join(name for name, _ in written)
    call = f"lax.switch({', '.join([index, f'[{names}]', *operands])})"
    functions = [text for _, function in written for text in function]
    return [*functions, *assigned(writer, line, call, several=True)]


def _shard_map(writer: Writer, line: Line) -> list[str]:
    (body,) = line.bodies
    mesh, manual = line.params["mesh"], sorted(manual_axes(line.params))
    sizes, axes = tuple(mesh.shape.values()), tuple(mesh.axis_names)
    name, function = writer.function(body, result=tuple_of)
    kinds = f"(jax.sharding.AxisType.Auto,) * {len(sizes)}"
    options = [
        f"mesh=jax.make_mesh({source_of(sizes)}, {source_of(axes)}, axis_types={kinds})",
        *(f"{each}={source_of(tuple(line.params[each]))}" for each in ("in_specs", "out_specs")),
        f"axis_names={{{', '.join(map(source_of, manual))}}}",
        f"check_vma={source_of(line.params['check_vma'])}",
    ]
    call = f"jax.shard_map({', '.join([name, *options])})({', '.join(writer.read(line.inputs))})"
    return [*function, *assigned(writer, line, call, several=True)]


def _scatter(name: str) -> Way:
    options = ("indices_are_sorted", "unique_indices", "mode")
    keywords = ", ".join(f"{each}={{{each}}}" for each in options)
    return _by_call(
        f"lax.{name}({{all}}, {{dimension_numbers}}, {keywords})", "dimension_numbers", *options
    )


_SCAN = ("length", "reverse", "unroll")

WAYS: dict[str, Callable[[Writer, Line], list[str]]] = {
    "jit": _calling("jax.jit({})"),
    "pjit": _calling("jax.jit({})"),
    "closed_call": _calling("{}"),
    "core_call": _calling("{}"),
    "checkpoint": _calling("jax.checkpoint({})"),
    "remat": _calling("jax.checkpoint({})"),
    "remat2": _calling("jax.checkpoint({})"),
    "custom_jvp_call": _calling("with_derivative({})"),
    "custom_vjp_call": _calling("with_pullback({})"),
    "custom_vjp_call_jaxpr": _calling("with_pullback({})"),
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _shard_map,
    "scatter": _scatter("scatter"),
    "scatter-add": _scatter("scatter_add"),
    "scatter-sub": _scatter("scatter_sub"),
    "scatter-mul": _scatter("scatter_mul"),
    "scatter-min": _scatter("scatter_min"),
    "scatter-max": _scatter("scatter_max"),
    "split": _by_call("lax.split({0}, {sizes}, {axis})", "sizes", "axis", several=True),
    "stack": _by_call("lax.stack([{all}], {axis})", "axis"),
    # A trailing comma makes one result a list as well.
    "optimization_barrier": _by_call("lax.optimization_barrier(({all},))", several=True),
    "unstack": _by_call("lax.unstack({0}, {axis})", "axis", several=True),
    "tile": _by_call("lax.tile({0}, {reps})", "reps"),
    "empty2": _empty,
    "platform_index": _empty,
    "random_seed": _with_keys("jax.random.key({0}, impl={impl})"),
    "random_wrap": _with_keys("jax.random.wrap_key_data({0}, impl={impl})"),
    "random_unwrap": _by_call("jax.random.key_data({0})"),
    # Where arrays lie is left out.
    **dict.fromkeys(
        ["device_put", "sharding_constraint", "mesh_cast", "reshard"], _each("op.copy_p.bind({})")
    ),
    "pvary": _each("lax.pcast({}, {axes}, to='varying')", "axes"),
    "psum_invariant": _each("lax.psum({}, {axes})", "axes"),
}
