import json
import os
import re
from pathlib import Path

import pytest

from tests.charts.every_chart import every_chart, spec_of

GOLD = Path(__file__).parents[1] / "gold" / "charts"
ACCEPT = "ATTNREPORT_ACCEPT_GOLD"


def scrubbed(spec: dict) -> str:
    """The spec without what another version of Altair may write differently."""
    del spec["$schema"]
    text = json.dumps(spec, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    names = dict.fromkeys(re.findall(r"view_[0-9a-f]+(?:_\d+)?", text))
    for number, name in enumerate(names):
        text = text.replace(name, f"view {number}")
    return text


def require_gold(actual: str, gold: Path, folder: Path) -> None:
    """Fails, with the actual text beside the expected one, if the two differ."""
    if os.environ.get(ACCEPT):
        gold.parent.mkdir(parents=True, exist_ok=True)
        gold.write_text(actual, encoding="utf-8", newline="\n")
    expected = gold.read_text(encoding="utf-8") if gold.is_file() else ""
    if actual != expected:
        found = folder / gold.name
        found.write_text(actual, encoding="utf-8", newline="\n")
        pytest.fail(
            f"The spec differs from {gold}. Compare it with {found}; if the change is meant, run "
            f"the tests once with {ACCEPT}=1 and look at the difference in git.",
            pytrace=False,
        )


@pytest.mark.parametrize("name", sorted(every_chart()))
def test_the_spec_is_the_accepted_one(name, tmp_path):
    require_gold(scrubbed(spec_of(name)), GOLD / f"{name}.json", tmp_path)


def test_every_accepted_spec_belongs_to_a_chart():
    assert sorted(path.stem for path in GOLD.glob("*.json")) == sorted(every_chart())


def test_a_changed_spec_fails_and_leaves_the_actual_one_to_compare(tmp_path, monkeypatch):
    monkeypatch.delenv(ACCEPT, raising=False)
    gold = tmp_path / "gold" / "chart.json"
    gold.parent.mkdir()
    gold.write_text("{}\n", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match=ACCEPT):
        require_gold('{"new": 1}\n', gold, tmp_path)
    assert (tmp_path / "chart.json").read_text(encoding="utf-8") == '{"new": 1}\n'
    assert gold.read_text(encoding="utf-8") == "{}\n"


def test_accepting_replaces_the_spec(tmp_path, monkeypatch):
    monkeypatch.setenv(ACCEPT, "1")
    gold = tmp_path / "gold" / "chart.json"
    require_gold('{"new": 1}\n', gold, tmp_path)
    assert gold.read_text(encoding="utf-8") == '{"new": 1}\n'
