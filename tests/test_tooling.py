import base64
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from attnreport import Recording, render_report

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "tools"
TEMPLATES = ROOT / "templates"
STATIC = TEMPLATES / "static"
PAGE = json.loads(STATIC.joinpath("page.manifest.json").read_text(encoding="utf-8"))
VEGA = json.loads(STATIC.joinpath("vega/manifest.json").read_text(encoding="utf-8"))
LOCK = json.loads(TOOLS.joinpath("package-lock.json").read_text(encoding="utf-8"))
LICENSES = STATIC.joinpath("vega/LICENSES.txt").read_text(encoding="utf-8")
# What runs a report, and a comparison of two recordings.
SCRIPTS = ("page.js", "comparison.js")


def sha256(path: Path) -> str:
    """Hash of a text file with the line ends that it has in the repository."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


# --- What is built and committed ---------------------------------------------------------------


def test_the_page_script_is_built_from_the_sources_as_they_are():
    sources = {f"page/{path.name}": sha256(path) for path in TEMPLATES.glob("page/*.js")}
    assert PAGE["sources"] == sources, "stale: run `node tools/build.mjs page`"
    for name in SCRIPTS:
        assert sha256(STATIC / name) == PAGE["sha256"][name]


def test_vega_is_what_its_manifest_says():
    assert sha256(STATIC / "vega/vega.js") == VEGA["sha256"]


def test_vega_is_built_from_the_locked_packages():
    locked = {
        f"{path.rpartition('node_modules/')[2]}@{package['version']}"
        for path, package in LOCK["packages"].items()
        if path
    }
    assert set(VEGA["packages"]) <= locked
    assert any(package.startswith("vega-interpreter@") for package in VEGA["packages"])


@pytest.mark.parametrize("package", VEGA["packages"])
def test_the_license_of_a_bundled_package_is_kept(package):
    name, _, version = package.rpartition("@")
    assert re.search(rf"\b{name} ([\d., ]+, )?{re.escape(version)}\b", LICENSES)


def test_a_report_carries_the_licenses_of_vega():
    script = STATIC.joinpath("vega/vega.js").read_text(encoding="utf-8")
    assert script.startswith(f"/*!\n{LICENSES}*/\n")


def test_vega_draws_statistical_charts_and_no_maps():
    assert {"aggregate", "bin", "filter", "formula", "joinaggregate", "stack", "window"} <= set(
        VEGA["transforms"]
    )
    assert {"force", "geoshape", "label", "voronoi"}.isdisjoint(VEGA["transforms"])


@pytest.mark.parametrize("name", [*SCRIPTS, "vega/vega.js"])
def test_a_built_script_can_be_put_into_a_page(name):
    script = STATIC.joinpath(name).read_text(encoding="ascii")
    assert not re.search(r"</script|<!--", script, re.IGNORECASE)
    assert "sourceMappingURL" not in script


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_code_of_a_page_stays_small(script):
    code = b"".join(STATIC.joinpath(name).read_bytes() for name in ("vega/vega.js", script))
    assert len(base64.b64encode(zlib.compress(code, 9))) <= 280_000


def test_the_smallest_report_stays_small():
    weights = np.full((1, 1, 2, 2), 0.5)
    html = render_report(Recording.from_arrays(weights, tokens=["a", "b"]))
    assert len(html.encode()) <= 300_000


def test_the_lock_file_names_no_registry():
    assert not any("resolved" in package for package in LOCK["packages"].values())
    assert all("integrity" in package for path, package in LOCK["packages"].items() if path)


# --- Rebuilding it, with Node -------------------------------------------------------------------


def build(tools: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    assert node, "Node is missing: run the tests through `python tools/test.py`"
    assert TOOLS.joinpath("node_modules").is_dir(), "run `npm ci` in tools/"
    return subprocess.run(
        [node, tools / "build.mjs", *arguments], capture_output=True, encoding="utf-8"
    )


@pytest.fixture
def copy(tmp_path):
    """The tools and templates in a folder of their own, with the installed packages linked in."""
    ignore = shutil.ignore_patterns("node_modules", "__pycache__")
    shutil.copytree(TOOLS, tmp_path / "tools", ignore=ignore)
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    tmp_path.joinpath("tools/node_modules").symlink_to(TOOLS / "node_modules")
    return tmp_path


def test_building_again_gives_the_committed_bytes():
    done = build(TOOLS, "all", "--check")
    assert done.returncode == 0, done.stderr


def test_the_build_does_not_depend_on_where_it_runs(copy):
    built = (*SCRIPTS, "page.manifest.json", "vega/vega.js", "vega/manifest.json")
    for name in built:
        copy.joinpath("templates/static", name).unlink()
    done = build(copy / "tools")
    assert done.returncode == 0, done.stderr
    for name in built:
        assert sha256(copy / "templates/static" / name) == sha256(STATIC / name)


def test_a_stale_page_script_is_found(copy):
    with copy.joinpath("templates/page/main.js").open("a", encoding="utf-8") as source:
        source.write("console.info('changed');\n")
    done = build(copy / "tools", "page", "--check")
    assert done.returncode == 1
    assert "static/page.js is stale: run `node tools/build.mjs`" in done.stderr


@pytest.mark.parametrize("arguments", [["charts"], ["vega", "--watch"], ["page", "--chek"]])
def test_the_build_refuses_what_it_does_not_know(arguments):
    done = build(TOOLS, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: node build.mjs")


# --- tools/test.py ------------------------------------------------------------------------------


@pytest.fixture
def bootstrap(monkeypatch):
    """Imports a module of tools/bootstrap."""
    monkeypatch.syspath_prepend(TOOLS)
    return lambda name: importlib.import_module(f"bootstrap.{name}")


@pytest.fixture
def machine(tmp_path):
    """A folder of fake programs, and the environment in which only they are found."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def program(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    return program, {"PATH": str(folder)}


def test_ci_runs_the_command_of_the_readme_and_nothing_else():
    lines = ROOT.joinpath(".ci/run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ['exec python3 tools/test.py "$@"']
    assert "\npython3 tools/test.py\n" in ROOT.joinpath("README.md").read_text(encoding="utf-8")


def test_the_bootstrap_needs_the_standard_library_alone():
    for path in [TOOLS / "test.py", *TOOLS.glob("bootstrap/*.py")]:
        source = path.read_text(encoding="utf-8")
        modules = set(re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE))
        assert modules <= sys.stdlib_module_names | {"bootstrap"}, path.name


def test_an_old_python_is_told_so(tmp_path):
    source = TOOLS.joinpath("test.py").read_text(encoding="utf-8")
    script = tmp_path / "test.py"
    script.write_text(source.replace("(3, 11)", "(9, 99)"), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, encoding="utf-8")
    assert done.returncode == 1
    assert "but this is Python {}.{}.".format(*sys.version_info) in done.stderr


def test_a_named_chromium_comes_first(bootstrap, machine):
    program, environment = machine
    program("chromium", "echo Chromium 1")
    named = program("mine", "echo Chromium 2")
    browser = bootstrap("browser")
    ready = browser.prepare_browser({**environment, "ATTNREPORT_CHROMIUM": str(named)})
    assert ready["ATTNREPORT_CHROMIUM"] == str(named)


def test_a_named_chromium_that_does_not_start_is_an_error(bootstrap, machine):
    program, environment = machine
    program("chromium", "echo Chromium 1")
    broken = program("broken", "exit 1")
    setup_error = bootstrap("processes").SetupError
    for path in (str(broken), "/nowhere/chromium"):
        with pytest.raises(setup_error, match=f"names '{path}', which does not start"):
            bootstrap("browser").prepare_browser({**environment, "ATTNREPORT_CHROMIUM": path})


@pytest.mark.parametrize("name", ["chromium", "google-chrome"])
def test_a_chromium_of_the_machine_is_used(bootstrap, machine, name):
    program, environment = machine
    path = program(name, "echo Chromium 1")
    ready = bootstrap("browser").prepare_browser(environment)
    assert ready["ATTNREPORT_CHROMIUM"] == str(path)


def test_playwright_is_asked_next(bootstrap, machine, monkeypatch):
    program, environment = machine
    downloaded = program("downloaded", "echo Chromium 3")
    python = program("python", f'[ "$2" = playwright ] || echo {downloaded}')
    browser = bootstrap("browser")
    monkeypatch.setattr(browser, "python", lambda: python)
    ready = browser.prepare_browser(environment)
    assert ready["ATTNREPORT_CHROMIUM"] == str(downloaded)


@pytest.fixture
def no_download(bootstrap, machine, monkeypatch):
    """A machine on which Playwright cannot download a browser."""
    program, _ = machine
    failing = program("python", "exit 1")
    monkeypatch.setattr(bootstrap("browser"), "python", lambda: failing)


@pytest.mark.usefixtures("no_download")
def test_apt_is_the_last_resort(bootstrap, machine, monkeypatch):
    program, environment = machine
    folder = environment["PATH"]
    program("chromium.packed", "echo Chromium 4")
    move = f"/bin/mv {folder}/chromium.packed {folder}/chromium"
    program("apt-get", f'[ "$1" = update ] || {move}')
    browser = bootstrap("browser")
    monkeypatch.setattr(browser, "is_root", lambda: True)
    assert browser.prepare_browser(environment)["ATTNREPORT_CHROMIUM"] == f"{folder}/chromium"


@pytest.mark.usefixtures("no_download")
def test_without_any_chromium_the_message_says_what_to_do(bootstrap, machine, monkeypatch):
    program, environment = machine
    program("apt-get", "exit 1")
    browser = bootstrap("browser")
    for root in (True, False):
        monkeypatch.setattr(browser, "is_root", lambda root=root: root)
        with pytest.raises(bootstrap("processes").SetupError, match="Install Chromium or Chrome"):
            browser.prepare_browser(environment)


@pytest.mark.parametrize(
    ("platform", "root", "arguments"),
    [
        ("linux", True, ["--with-deps", "chromium"]),
        ("linux", False, ["chromium"]),
        ("darwin", True, ["chromium"]),
    ],
)
def test_playwright_installs_libraries_only_where_it_may(bootstrap, platform, root, arguments):
    found = bootstrap("browser").playwright_arguments(platform=platform, root=root)
    assert found == arguments


@pytest.mark.parametrize(
    ("version", "enough"),
    [("v20.20.2", True), ("v24.1.0", True), ("v18.19.0", False), ("", False), (None, False)],
)
def test_node_must_be_new_enough(bootstrap, version, enough):
    assert bootstrap("node").new_enough(version) is enough


def test_node_without_npm_will_not_do(bootstrap, machine):
    program, environment = machine
    program("node", "echo v22.0.0")
    node = bootstrap("node")
    assert not node.on_path(environment)
    program("npm", "exit 0")
    assert node.on_path(environment)


def test_the_npm_we_write_finds_its_own_script(bootstrap, tmp_path):
    script = tmp_path / "wheel/lib/node_modules/npm/bin/npm-cli.js"
    node = tmp_path / "wheel/bin/node"
    for path in (script, node):
        path.parent.mkdir(parents=True)
    script.write_text("", encoding="utf-8")
    node.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    node.chmod(0o755)
    npm = bootstrap("node").write_npm(tmp_path / "wheel", tmp_path / "made")
    assert bootstrap("processes").answer(npm, "ci", "--quiet") == f"{script} ci --quiet"


def test_the_environment_hides_other_pythons(bootstrap):
    python = bootstrap("python")
    variables = {"PATH": "/usr/bin", "PYTHONPATH": "/elsewhere", "PYTHONHOME": "/elsewhere"}
    found = python.activated(variables)
    assert found["PATH"].split(os.pathsep)[0] == str(python.python().parent)
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(found)


def test_options_after_two_dashes_are_pytests(bootstrap):
    main = bootstrap("main")
    options, rest = main.parse(["--fast", "--", "-k", "entropy", "--", "-x"])
    assert options.fast
    assert rest == ["-k", "entropy", "--", "-x"]
    step = main.pytest_step(Path("results.xml"), rest, fast=True)
    assert step.command[-6:] == ["-m", "not slow and not browser", *rest]


RESULTS = '<testsuites><testsuite tests="9" failures="{}" errors="1" skipped="2"/></testsuites>'


def test_the_counts_are_pytests_own(bootstrap, tmp_path):
    results = tmp_path / "results.xml"
    results.write_text(RESULTS.format(3), encoding="utf-8")
    assert bootstrap("main").count(results) == {"passed": 3, "failed": 4, "skipped": 2}


@pytest.mark.parametrize(
    ("lint", "tests", "failed", "last", "status"),
    [
        (0, 0, 0, "6 passed, 0 failed", 0),
        (1, 0, 0, "5 passed, 1 failed", 1),
        (0, 1, 2, "6 passed, 2 failed", 1),
        (0, 3, 0, "6 passed, 1 failed", 1),
    ],
)
def test_the_last_line_counts_checks_and_tests(
    bootstrap, capsys, lint, tests, failed, last, status
):
    outcome = bootstrap("processes").Outcome
    outcomes = [outcome("lint", lint, 1.0), outcome("tests", tests, 2.0)]
    counts = {"passed": 5, "failed": failed, "skipped": 0}
    assert bootstrap("main").report(outcomes, counts) == status
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_a_missing_program_is_a_failed_step_not_a_crash(bootstrap, machine, capsys):
    processes = bootstrap("processes")
    outcome = processes.run(processes.Step("nothing", ["no-such-program"]), machine[1])
    assert outcome.code == 127
    assert "no-such-program" in capsys.readouterr().out
