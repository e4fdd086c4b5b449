"""Names of attentions: from the user's tag, the model's scopes, its parameters, or the source.

The first of these that there is: a `jax.ad_checkpoint.checkpoint_name` on the weights; the path
that the parameters of the projections share, which in every library is the path of the module;
the scopes of the name stack, for models that close over their parameters; file and line.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from attnreport.capture.program.graph import Node, Value, feeds
from attnreport.capture.program.lineage import copies, is_given, source
from attnreport.capture.roles.scores import is_parameter
from attnreport.capture.roles.sites import Site

try:
    from jax.extend import source_info_util
except ImportError:  # this part of JAX is not promised to stay
    source_info_util = None

_HERE = str(Path(__file__).parents[1])
_WRAPPER = re.compile(
    r"^(?:jit|pjit|jvp|vmap|transpose|checkpoint|remat|remat2|custom_jvp|custom_vjp|shard_map)"
    r"\((.*)\)$"
)
_NO_SCOPE = re.compile(
    r"^(?:while|body|cond|scan|closed_call|checkpoint|remat2?|rematted_computation|"
    r"branch_\d+_fun|custom_\w+_call|)$"
)
_FARTHEST = 300
_LIBRARIES, _PRIVATE = "site-packages", "_src"
_PART = re.compile(r"[^\[\]./~'\"]+")
# Parts of a path that every parameter has, and that tell nothing about where it belongs.
_USUAL = frozenset(["params", "model", "value", "kernel", "weight", "w"])
# A module that scores is a part of an attention.
_SCORING = frozenset(["score", "scores", "scoring"])


def names_of(sites: Sequence[Site], model: str = "") -> list[str]:
    """A name for each attention, unique and the same in every run of one program.

    Args:
        sites: The attentions, in the order in which they run.
        model: What to call the attention of a model that is nothing else.
    """
    paths = [parameter_path(site) for site in sites]
    roots = {root for root, *_ in filter(None, paths)}
    several = len(roots) > 1
    return _numbered(
        [
            tag_of(site)
            or _joined(path, several)
            or scope_of_site(site)
            or (path[0] if several and path else "")
            or (model if site.roles.query_projection is not None else "")
            or source_line(site.weights.node)
            or "attention"
            for site, path in zip(sites, paths, strict=True)
        ]
    )


def tag_of(site: Site) -> str:
    """The user's own name for the weights; empty if there is none."""
    for value in (*copies(site.contraction.weights), *copies(site.weights)):
        if value.node is not None and value.node.primitive == "name":
            return str(value.node.params["name"])
    return ""


def scope_of_site(site: Site) -> str:
    """The scopes that weights, scores and contraction share, such as `encoder.layer_0.attn`."""
    nodes = [site.weights.node, site.contraction.node, site.scores.node]
    shared = _common([list(_scopes(node)) for node in nodes if node is not None])
    # Linen writes the name of the model's class once for the model and once for its method.
    return ".".join(
        part
        for place, part in enumerate(shared)
        if part != "".join(shared[max(0, place - 1) : place])
    )


def parameter_path(site: Site) -> list[str]:
    """What the paths of the projections' parameters share, the argument they are in first."""
    projections = (site.roles.query_projection, site.roles.key_projection)
    matrices = [each.weights for each in projections if each is not None]
    # A learned query, or the vector that scores what queries and keys add up to.
    operands = (site.scores.query, site.scores.key)
    matrices += [each for each in operands if each is not None and is_parameter(each)]
    if site.form == "gate":
        matrices += _between(site.contraction.values, site.weights)
    leaves = map(_leaf, matrices)
    paths = [_parts(leaf.label) for leaf in leaves if leaf is not None and leaf.label]
    if not paths:
        return []
    shared = _common(paths)
    if len(set(map(tuple, paths))) == 1:
        # One matrix for queries and keys: its module is what has the name.
        shared = shared[:-1]
    while len(shared) > 1 and shared[-1] in _USUAL | _SCORING:
        shared = shared[:-1]
    return shared


def _between(scaled: Value, gate: Value) -> list[Value]:
    """The parameters that make a gate out of what it scales."""
    end = source(scaled)
    seen, waiting = {end, gate}, [gate]
    found: list[Value] = []
    while waiting and len(seen) < _FARTHEST:
        value = waiting.pop(0)
        if value.is_float and is_given(value):
            found.append(value)
        for each in feeds(value):
            if each not in seen and source(each) is not end:
                seen.add(each)
                waiting.append(each)
    return found


def _joined(path: Sequence[str], several: bool) -> str:
    """A path inside its argument as a name, with the argument where there are several."""
    inside = path[1:]
    while len(inside) > 1 and inside[0] in _USUAL:
        inside = inside[1:]
    if not inside:
        return ""
    alone = not several and not all(part.isdigit() for part in inside)
    return ".".join(inside if alone else path)


def source_line(node: Node | None) -> str:
    """File and line of the user's code that an operation comes from; empty if not known."""
    if node is None or source_info_util is None:
        return ""
    try:
        text = source_info_util.summarize(node.equation.source_info)
    except Exception:  # what this function takes is not promised either
        return ""
    match = re.match(r"(.+?):(\d+)", text)
    # What the user passed may be a function of JAX itself, called by nobody but us.
    if match is None or text.startswith(_HERE):
        return ""
    return f"{_shown(Path(match[1]).parts)}:{match[2]}"


def _shown(path: Sequence[str]) -> str:
    """A file of the caller by its name, and one of a library with the folders that it is in."""
    if _LIBRARIES not in path:
        return path[-1]
    inside = path[path.index(_LIBRARIES) + 1 :]
    return "/".join(part for part in inside if part != _PRIVATE)


def _scopes(node: Node) -> Iterator[str]:
    for part in "/".join(node.names).split("/"):
        inner = _WRAPPER.match(part)
        while inner:
            part = inner.group(1)
            inner = _WRAPPER.match(part)
        if not _NO_SCOPE.match(part):
            yield part


def _leaf(value: Value) -> Value | None:
    """The program's input that a matrix is, before layout, slices and loops."""
    current = value
    for _ in range(64):
        current = source(current)
        if current.outer is not None:
            current = current.outer
        elif current.node is None:
            return current
        elif current.node.primitive in _SLICES or len(_arrays(current.node)) == 1:
            current = _arrays(current.node)[0]
        else:
            return None
    return None


def _arrays(node: Node) -> list[Value]:
    return [each for each in node.inputs if each.is_float and each.literal is None]


def _parts(label: str) -> list[str]:
    parts = _PART.findall(label)
    return [part for place, part in enumerate(parts) if not (place and part == "value")]


def _common(paths: Sequence[Sequence[str]]) -> list[str]:
    shared: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return shared


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, where one that several have is followed by the number of the call."""
    counts = Counter(names)
    seen: Counter[str] = Counter()
    numbered: list[str] = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name} (call {seen[name]})" if counts[name] > 1 else name)
    return numbered


_SLICES = frozenset(["slice", "dynamic_slice", "gather", "split", "squeeze"])
