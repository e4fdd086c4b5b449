import dataclasses
import importlib
import importlib.util
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from attnreport.tasks import cache
from attnreport.tasks.cache import SOURCES, cache_folder, cache_key, locked

# Modules that define a task, with the `SOURCES` of their own.
TASKS = ("tasks/translation/task",)


def test_an_environment_variable_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setenv("ATTNREPORT_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_otherwise_it_lies_in_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("ATTNREPORT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "attnreport"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "attnreport"


def test_on_windows_it_lies_in_the_local_data_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("ATTNREPORT_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache_folder() == tmp_path / "attnreport"
    monkeypatch.delenv("LOCALAPPDATA")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / "AppData" / "Local" / "attnreport"


def test_keys_tell_plans_apart(small_plan):
    other = dataclasses.replace(small_plan, batch=1)
    assert cache_key(small_plan) == cache_key(small_plan)
    assert cache_key(small_plan) != cache_key(other)


def test_a_change_in_the_code_changes_the_key(monkeypatch, tmp_path, small_plan):
    before = cache_key(small_plan)
    package = Path(cache.__file__).parents[1]
    for name in (*SOURCES, "tasks/translation"):
        for file in sorted((package / name).rglob("*.py")) or [package / name]:
            copy = tmp_path / file.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    monkeypatch.setattr(cache.importlib.resources, "files", lambda _: tmp_path)
    assert cache_key(small_plan) == before
    own = {"sources": ["tasks/translation/grammar"]}
    of_task = cache_key(small_plan, **own)
    nouns = tmp_path / "tasks" / "translation" / "grammar" / "nouns.py"
    nouns.write_text(nouns.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert cache_key(small_plan, **own) != of_task
    assert cache_key(small_plan) == before
    loop = tmp_path / "tasks" / "training.py"
    loop.write_text(loop.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert cache_key(small_plan) != before


@pytest.mark.parametrize("task", TASKS)
def test_all_code_that_training_loads_is_part_of_the_key(task):
    # `progress` and `cache` do not change what comes out, `trained` only keeps it.
    kept_out = {"tasks", "models", "tasks/progress", "tasks/cache", "tasks/trained"}
    kept_out.add(task.rpartition("/")[0])
    sources = (*SOURCES, *importlib.import_module(f"attnreport.{task.replace('/', '.')}").SOURCES)
    script = f"import sys, attnreport.{task.replace('/', '.')}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {
        name.removeprefix("attnreport.").replace(".", "/")
        for name in result.stdout.split()
        if name.startswith(("attnreport.nn", "attnreport.models", "attnreport.tasks"))
    }
    known = {source.removesuffix(".py") for source in sources} | kept_out
    folders = tuple(f"{source}/" for source in sources if not source.endswith(".py"))
    assert {name for name in loaded - known if not name.startswith(folders)} == set()


@pytest.mark.parametrize("task", TASKS)
def test_what_is_part_of_the_key_exists(task):
    package = Path(cache.__file__).parents[1]
    sources = importlib.import_module(f"attnreport.{task.replace('/', '.')}").SOURCES
    assert [name for name in (*SOURCES, *sources) if not (package / name).exists()] == []


def test_a_second_training_waits_for_the_first_where_files_can_be_locked(tmp_path):
    order = []

    def second():
        with locked(tmp_path):
            order.append("second")

    with locked(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    locks = importlib.util.find_spec("fcntl") is not None
    assert order == (["first", "second"] if locks else ["second", "first"])


def test_without_locks_training_goes_on(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path):
        assert not (tmp_path / "lock").exists()
