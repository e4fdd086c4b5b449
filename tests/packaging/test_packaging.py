"""Builds what would be released, and uses it the way people will: offline, from every form."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
BROWSER_FILES = (
    "report.html.jinja",
    "comparison.html.jinja",
    "static/comparison.js",
    "static/page.js",
    "static/vega/LICENSES.txt",
    "static/vega/vega.js",
)
# What is imported, where its templates are, and that both make a report.
USE = """
import sys
import numpy as np
import attnreport
from attnreport._resources import read_text, templates_root
recording = attnreport.Recording.from_arrays(np.full((1, 1, 2, 2), 0.5), tokens=["a", "b"])
html = attnreport.render_report(recording)
assert html.rstrip().endswith("</html>"), html[-200:]
assert len(read_text("static/vega/vega.js")) > 100_000
print(attnreport.__file__, templates_root(), sep="\\n")
"""


def run(*command: str | Path, path: Path | None = None, cwd: Path) -> str:
    """Runs a program and returns what it printed; `path` is all that Python may find first."""
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PIP_NO_INDEX": "1"}
    variables.pop("PYTHONPATH", None)
    if path is not None:
        variables["PYTHONPATH"] = str(path)
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=cwd, env=variables)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def use(path: Path, *, cwd: Path) -> tuple[str, str]:
    """Renders a report with the package under `path`; returns its file and its templates."""
    package, templates = run(sys.executable, "-c", USE, path=path, cwd=cwd).splitlines()
    return package, templates


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An sdist, and a wheel built from that sdist, as a release makes them."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(built, tmp_path_factory):
    """The unpacked source distribution."""
    (path,) = built.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder into which pip installed the wheel."""
    folder = tmp_path_factory.mktemp("site")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", folder, wheel, cwd=folder)
    return folder


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_and_every_template(wheel):
    folder = ROOT / "templates"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(BROWSER_FILES) <= files
    names = names_in(wheel)
    assert {f"attnreport/templates/{name}" for name in files} <= names
    assert {"attnreport/__init__.py", "attnreport/py.typed"} <= names


def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in names_in(wheel)}
    assert tops == {"attnreport", f"attnreport-{PROJECT['version']}.dist-info"}


def test_licenses_travel_with_the_wheel(wheel):
    folder = f"attnreport-{PROJECT['version']}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())
        texts = {
            name: archive.read(f"{folder}/licenses/{name}").decode()
            for name in metadata.get_all("License-File", [])
        }
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(texts) == {"LICENSE", "templates/static/vega/LICENSES.txt"}
    assert "Apache License" in texts["LICENSE"]
    assert "University of Washington" in texts["templates/static/vega/LICENSES.txt"]


def test_the_installed_wheel_renders_a_report(installed, tmp_path):
    package, templates = use(installed, cwd=tmp_path)
    assert Path(package) == installed / "attnreport" / "__init__.py"
    assert Path(templates) == installed / "attnreport" / "templates"


def test_the_installed_version_is_the_projects(installed, tmp_path):
    code = (
        "import importlib.metadata as m; found = m.distribution('attnreport'); "
        "print(found.version, found.locate_file(''), sep='\\n')"
    )
    version, folder = run(sys.executable, "-c", code, path=installed, cwd=tmp_path).splitlines()
    assert version == PROJECT["version"]
    assert Path(folder) == installed


def test_the_installed_command_starts(installed, tmp_path):
    (script,) = [*installed.glob("bin/*"), *installed.glob("Scripts/*")]
    assert "Usage" in run(script, "--help", path=installed, cwd=tmp_path)


def test_a_zipped_wheel_renders_a_report(wheel, tmp_path):
    package, templates = use(wheel, cwd=tmp_path)
    assert Path(package) == wheel / "attnreport" / "__init__.py"
    assert templates.rstrip("/").endswith(".whl/attnreport/templates")


def test_the_sdist_renders_a_report(sdist, tmp_path):
    package, templates = use(sdist, cwd=tmp_path)
    assert Path(package) == sdist / "attnreport" / "__init__.py"
    assert Path(templates) == sdist / "templates"


def test_the_sdist_holds_sources_and_no_installed_tools(sdist):
    kept = {"attnreport", "templates", "tests", "tools", "LICENSE", "README.md", "pyproject.toml"}
    assert kept <= {path.name for path in sdist.iterdir()}
    assert list(sdist.rglob("node_modules")) == []
    assert sdist.joinpath("templates/page/main.js").is_file()


def test_a_bare_checkout_renders_a_report(tmp_path):
    checkout = tmp_path / "checkout"
    for name in ("attnreport", "templates"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    package, templates = use(checkout, cwd=tmp_path)
    assert Path(package) == checkout / "attnreport" / "__init__.py"
    assert Path(templates) == checkout / "templates"


@pytest.fixture
def empty_environment(tmp_path):
    """A virtual environment without attnreport that borrows our dependencies.

    The folder of our own site-packages is only put on the path: its `.pth` files, and with them
    our own editable install, have no effect there.
    """
    folder = tmp_path / "venv"
    venv.create(folder)
    variables = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", variables))
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    site.joinpath("borrowed.pth").write_text("\n".join(sorted(ours)), encoding="utf-8")
    return Path(sysconfig.get_path("scripts", "venv", variables)) / "python"


def test_an_editable_install_renders_a_report(empty_environment, sdist, tmp_path):
    python = empty_environment
    code = "import importlib.util as u; print(u.find_spec('attnreport'))"
    assert run(python, "-c", code, cwd=tmp_path).strip() == "None"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    offline = ("--no-build-isolation", "--no-deps", "--no-index")
    run(*pip, *offline, "--editable", sdist, cwd=tmp_path)
    package, templates = run(python, "-c", USE, cwd=tmp_path).splitlines()
    assert Path(package) == sdist / "attnreport" / "__init__.py"
    assert Path(templates) == sdist / "templates"
