import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import attnreport

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "attnreport"

LEAVES = {"_errors", "_registry", "_resources", "_typing"}
MAY_IMPORT = {
    "nn": set(),
    "recording": set(),
    "models": {"nn"},
    "store": {"recording"},
    "capture": {"recording"},
    "analysis": {"recording"},
    "tasks": {"nn", "models", "capture", "recording", "analysis"},
    "charts": {"recording", "analysis"},
    "report": {"recording", "analysis", "charts"},
    "outputs": {"recording", "report"},
}
# Data goes through the parts of capture in this order, and each knows only those before it.
PARTS_OF_CAPTURE = (
    "program",
    "dimensions",
    "replay",
    "roles",
    "forms",
    "kernels",
    "recognition",
    "choice",
    "extraction",
    "planning",
    "results",
)
ACCELERATED = {"flax", "jax", "jaxlib", "optax", "orbax"}
MAY_IMPORT_JAX = {"nn", "models", "tasks", "capture"}
HEAVY = {
    *ACCELERATED,
    "altair",
    "jaxtyping",
    "jinja2",
    "ml_dtypes",
    "numpy",
    "rich",
    "safetensors",
    "tensorstore",
    "tokenizers",
    "vl_convert",
    "xarray",
    "zarr",
}
CAPTURE = "attnreport.capture."
COMMANDS = ("check", "demo", "info", "plan", "render", "run", "stats")

ALL_FILES = sorted(PACKAGE.rglob("*.py"))
LAYER_FILES = [path for path in ALL_FILES if path.relative_to(PACKAGE).parts[0] in MAY_IMPORT]
CAPTURE_FILES = sorted(PACKAGE.joinpath("capture").rglob("*.py"))
CLI_FILES = sorted(PACKAGE.joinpath("cli").rglob("*.py"))


class Import(NamedTuple):
    """One imported module or name, dotted; deferred if it waits for a function call."""

    name: str
    deferred: bool


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_in(source: str, *, package: str = "") -> Iterator[Import]:
    """Every import of a file, absolute; `package` is what relative ones start from."""
    tree = ast.parse(source)
    deferred = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node in deferred)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            start = ".".join([*above, *([node.module] if node.module else [])])
            base = start if node.level else node.module or ""
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node in deferred)


def imports_of(path: Path) -> list[Import]:
    module = module_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return list(imports_in(path.read_text(encoding="utf-8"), package=package))


def layers_in(imports: list[Import]) -> set[str]:
    """The layers that imports reach; public names count as the layer that they come from."""
    layers = set()
    for name, _ in imports:
        top, _, rest = name.partition(".")
        if top == "attnreport":
            home = attnreport._HOME.get(rest, name)
            layers.add([*home.split("."), "the whole package"][1])
    return layers


def packages_in(imports: list[Import]) -> set[str]:
    return {name.partition(".")[0] for name, _ in imports}


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_every_folder_is_a_layer():
    folders = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*/*.py")}
    assert folders <= {*MAY_IMPORT, "cli"}
    assert {path.stem for path in PACKAGE.glob("_*.py")} - {"__init__", "__main__"} <= LEAVES


@pytest.mark.parametrize("path", LAYER_FILES, ids=named)
def test_imports_point_down(path):
    layer = path.relative_to(PACKAGE).parts[0]
    assert layers_in(imports_of(path)) <= MAY_IMPORT[layer] | {layer} | LEAVES


@pytest.mark.parametrize("path", CAPTURE_FILES, ids=named)
def test_capture_goes_one_way(path):
    part = path.relative_to(PACKAGE).parts[1]
    reached = {name.split(".")[2] for name, _ in imports_of(path) if name.startswith(CAPTURE)}
    if part in PARTS_OF_CAPTURE:
        assert reached <= set(PARTS_OF_CAPTURE[: PARTS_OF_CAPTURE.index(part) + 1])


def test_every_folder_of_capture_has_its_place():
    folders = {path.parent.name for path in CAPTURE_FILES} - {
        "capture",
        "interventions",
        "reproduction",
    }
    assert folders == set(PARTS_OF_CAPTURE)


@pytest.mark.parametrize("path", ALL_FILES, ids=named)
def test_jax_stays_on_its_side(path):
    layer = path.relative_to(PACKAGE).parts[0]
    found = {
        package
        for package in packages_in(imports_of(path)) & ACCELERATED
        if layer not in MAY_IMPORT_JAX
    }
    assert found == set()


@pytest.mark.parametrize("path", sorted(PACKAGE.joinpath("recording").rglob("*.py")), ids=named)
def test_the_recording_needs_numpy_alone(path):
    at_once = [found for found in imports_of(path) if not found.deferred]
    foreign = packages_in(at_once) - sys.stdlib_module_names - {"attnreport"}
    assert foreign <= {"numpy", "jaxtyping"}


@pytest.mark.parametrize("path", CLI_FILES, ids=named)
def test_commands_import_inside_their_function(path):
    at_once = [found for found in imports_of(path) if not found.deferred]
    assert packages_in(at_once) - sys.stdlib_module_names <= {"attnreport", "click"}
    assert layers_in(at_once) <= {"cli", *LEAVES}


@pytest.mark.parametrize(
    ("source", "layers"),
    [
        ("from attnreport.charts.theme import themed", {"charts"}),
        ("import attnreport.report.context as context", {"report"}),
        ("from attnreport import analysis", {"analysis"}),
        ("from attnreport import capture_attention", {"capture"}),
        ("import attnreport", {"the whole package"}),
        ("def f():\n    from attnreport.models import bert", {"models"}),
        ("if TYPE_CHECKING:\n    from attnreport.tasks import demos", {"tasks"}),
        ("from ..store import archive", {"store"}),
        ("from .axes import Axis", {"recording"}),
        ("from . import axes", {"recording"}),
        ("import numpy as np", set()),
    ],
)
def test_the_layer_check_sees_every_way_to_import(source, layers):
    assert layers_in(list(imports_in(source, package="attnreport.recording"))) == layers


def test_the_layer_check_tells_what_waits_for_a_call():
    source = "import jax\ndef f():\n    import flax\nclass C:\n    import optax"
    assert dict(imports_in(source)) == {"jax": False, "flax": True, "optax": False}


def names_in_type_checking_block() -> dict[str, str]:
    tree = ast.parse(PACKAGE.joinpath("__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name: node.module or ""
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_public_names_agree_in_all_three_places():
    assert names_in_type_checking_block() == attnreport._HOME
    assert sorted(attnreport.__all__) == sorted(attnreport._HOME)
    assert set(attnreport.__all__) <= set(dir(attnreport))


@pytest.mark.parametrize("name", attnreport.__all__)
def test_a_public_name_is_what_its_module_holds(name):
    module = importlib.import_module(attnreport._HOME[name])
    assert getattr(attnreport, name) is getattr(module, name)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'capture_atention'"):
        _ = attnreport.capture_atention


def loaded_by(code: str, packages: set[str]) -> set[str]:
    """Which of the packages a fresh Python has loaded after running the code."""
    report = f"import sys; print('loaded:', *sorted({packages!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, encoding="utf-8", cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].removeprefix("loaded:").split())


HELP = """
import sys
from attnreport.cli.main import main
sys.argv = ["attnreport", {arguments}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import attnreport", HEAVY) == set()


@pytest.mark.parametrize("arguments", ["'--help'", *(f"{name!r}, '--help'" for name in COMMANDS)])
def test_help_loads_nothing_heavy(arguments):
    assert loaded_by(HELP.format(arguments=arguments), HEAVY) == set()


@pytest.mark.parametrize("package", ["numpy", "jax"])
def test_the_check_for_heavy_packages_can_fail(package):
    assert package in loaded_by(f"import {package}", HEAVY)


def test_help_loads_little():
    """So it answers at once; `benchmarks/startup.py` measures how soon."""
    report = "import sys; print(len(sys.modules), file=sys.stderr)"

    def modules(code: str) -> int:
        command = [sys.executable, "-c", f"{code}\n{report}"]
        return int(subprocess.run(command, capture_output=True, check=True).stderr)

    above = modules(HELP.format(arguments="'--help'")) - modules("pass")
    assert above <= 130, f"`attnreport --help` loads {above} modules above bare Python"


RENDER = """
import numpy as np, attnreport
recording = attnreport.Recording.from_arrays(np.full((1, 1, 2, 2), 0.5), tokens=["a", "b"])
recording.save({path!r})
html = attnreport.render_report(attnreport.load_recording({path!r}))
assert "</html>" in html
"""


def test_a_saved_recording_is_rendered_without_jax(tmp_path):
    assert loaded_by(RENDER.format(path=str(tmp_path / "run.attn")), ACCELERATED) == set()


def test_the_check_for_jax_can_fail(tmp_path):
    code = RENDER.format(path=str(tmp_path / "run.attn")) + "\nimport jax"
    assert {"jax", "jaxlib"} <= loaded_by(code, ACCELERATED)


def test_templates_hold_no_python():
    # One such file makes `pip install -e .` fail.
    assert list(ROOT.joinpath("templates").rglob("*.py")) == []
