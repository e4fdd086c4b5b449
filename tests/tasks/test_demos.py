import subprocess
import sys

import pytest

from attnreport._errors import UnknownNameError
from attnreport.tasks import DEMOS, run_demo


def test_the_translation_is_a_demo():
    assert "translation" in DEMOS
    assert "English to German" in DEMOS["translation"].description


def test_every_demo_is_described_in_one_line():
    assert all("\n" not in demo.description for demo in DEMOS.values())


def test_an_unknown_demo_is_refused_with_the_known_names():
    with pytest.raises(UnknownNameError, match=r"no demo 'chess'\. Choose one of translation"):
        run_demo("chess")


def test_what_is_said_reaches_the_demo(monkeypatch, tiny_recording):
    from attnreport.tasks import translation

    said = {}
    monkeypatch.setattr(
        translation, "record_translation", lambda **options: said.update(options) or tiny_recording
    )
    assert run_demo("translation", seed=3, fresh=True, progress=False) is tiny_recording
    assert said == {"seed": 3, "fresh": True, "progress": False}


def test_listing_the_demos_loads_no_jax():
    script = "import sys; from attnreport.tasks import DEMOS; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
