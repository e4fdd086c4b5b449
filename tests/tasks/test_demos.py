import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from attnreport._errors import AttnReportError, UnknownNameError
from attnreport.models.looking import ATTENTIONS
from attnreport.tasks import DEMOS, run_demo
from attnreport.tasks.demos import quick_notes


def test_the_translation_is_a_demo():
    assert "translation" in DEMOS
    assert "English to German" in DEMOS["translation"].description


def test_every_demo_is_described_in_one_line():
    assert all("\n" not in demo.description for demo in DEMOS.values())


def test_an_unknown_demo_is_refused_with_the_known_names():
    with pytest.raises(UnknownNameError, match=r"no demo 'chess'\. Choose one of translation"):
        run_demo("chess")


def test_choices_are_those_of_the_model():
    assert DEMOS["translation"].options["attention"] == tuple(ATTENTIONS)


def test_an_unknown_option_or_choice_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"no option 'layers'\. Its options are model"):
        run_demo("translation", layers="3")
    with pytest.raises(UnknownNameError, match=r"no attention 'soft'\. Choose one of additive"):
        run_demo("translation", attention="soft")


def test_what_is_said_reaches_the_demo(monkeypatch, tiny_recording):
    from attnreport.tasks.translation import recording

    said = {}
    monkeypatch.setattr(
        recording, "record_translation", lambda **options: said.update(options) or tiny_recording
    )
    options = {"seed": 3, "fresh": True, "progress": False, "quick": True, "attention": "local-p"}
    assert run_demo("translation", **options) is tiny_recording
    assert said == options
    run_demo("translation", data="pairs")
    assert said["data"] == Path("pairs")


def test_options_that_do_not_go_together_are_refused():
    with pytest.raises(UnknownNameError) as error:
        run_demo("translation", model="transformer", attention="dot")
    assert str(error.value) == (
        "In the demo translation, the attention can be chosen only with the model 'gru'; the model "
        "'transformer' has its own. Leave out the attention, or choose the model 'gru'."
    )


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_cannot_be_one_is_refused(seed):
    with pytest.raises(AttnReportError, match=rf"The seed is {seed}\. Give .* to 4294967295"):
        run_demo("translation", seed=seed)


def test_data_for_a_demo_without_a_loader_are_refused(monkeypatch):
    demo = dataclasses.replace(DEMOS["translation"], data="")
    monkeypatch.setitem(DEMOS, "translation", demo)
    with pytest.raises(UnknownNameError, match=r"takes no data of your own\. Leave them out"):
        run_demo("translation", data="pairs")


def test_what_options_need_exists():
    for demo in DEMOS.values():
        for option, (other, choice) in demo.only_with.items():
            assert option in demo.options
            assert choice in demo.options[other]


def test_a_quick_training_is_told():
    assert quick_notes(quick=False) == ()
    (note,) = quick_notes(quick=True)
    assert "quick" in note


def test_listing_the_demos_loads_no_jax():
    script = "import sys; from attnreport.tasks import DEMOS; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
