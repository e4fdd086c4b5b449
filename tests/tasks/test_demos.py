import subprocess
import sys

import pytest

from attnreport._errors import UnknownNameError
from attnreport.models.looking import ATTENTIONS
from attnreport.tasks import DEMOS, run_demo


def test_the_translation_is_a_demo():
    assert "translation" in DEMOS
    assert "English to German" in DEMOS["translation"].description


def test_every_demo_is_described_in_one_line():
    assert all("\n" not in demo.description for demo in DEMOS.values())


def test_an_unknown_demo_is_refused_with_the_known_names():
    with pytest.raises(UnknownNameError, match=r"no demo 'chess'\. Choose one of translation"):
        run_demo("chess")


def test_choices_are_those_of_the_model():
    assert DEMOS["translation"].options == {"attention": tuple(ATTENTIONS)}


def test_an_unknown_option_or_choice_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"no option 'layers'\. Its options are attention"):
        run_demo("translation", layers="3")
    with pytest.raises(UnknownNameError, match=r"no attention 'soft'\. Choose one of additive"):
        run_demo("translation", attention="soft")


def test_what_is_said_reaches_the_demo(monkeypatch, tiny_recording):
    from attnreport.tasks import translation

    said = {}
    monkeypatch.setattr(
        translation, "record_translation", lambda **options: said.update(options) or tiny_recording
    )
    options = {"seed": 3, "fresh": True, "progress": False, "attention": "local-p"}
    assert run_demo("translation", **options) is tiny_recording
    assert said == options


def test_listing_the_demos_loads_no_jax():
    script = "import sys; from attnreport.tasks import DEMOS; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
