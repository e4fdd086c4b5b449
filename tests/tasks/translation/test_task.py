import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.tasks.trained import trained_model
from attnreport.tasks.training import new_model
from attnreport.tasks.translation import task as module
from attnreport.tasks.translation.corpus import held_out_pairs
from attnreport.tasks.translation.plan import RecurrentSizes, TranslationPlan, translation_plan
from attnreport.tasks.translation.task import Findings, TranslationTask, translation_recipe


def test_padding_counts_in_no_number(small_plan):
    task = TranslationTask(small_plan)
    model = new_model(task, 0)
    model.eval()
    batch = task.batches(0)[0]
    wider = [np.pad(rows, ((0, 0), (0, 3))) for rows in batch]
    key = jax.random.key(0)
    loss = nnx.jit(task.loss)
    narrow, wide = (loss(model, each, key) for each in (batch, type(batch)(*wider)))
    np.testing.assert_allclose(jnp.stack(narrow), jnp.stack(wide), rtol=1e-5)


def test_epochs_have_orders_of_their_own(small_plan):
    task = TranslationTask(small_plan)
    first, second, again = (task.batches(epoch)[0].source for epoch in (0, 1, 0))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_widths_end_with_the_longest_sentence():
    plan = translation_plan("gru", "dot")
    assert plan.widths == (8, 12, 17)
    short = dataclasses.replace(plan.corpus, longest=10)
    assert dataclasses.replace(plan, corpus=short).widths == (8, 11)
    assert dataclasses.replace(plan, one_width=True).widths == (17,)


def test_plans_say_which_model_and_how_long():
    usual = translation_plan("gru", "local-m", seed=3)
    assert usual.sizes == RecurrentSizes("local-m")
    assert usual.schedule.seed == 3
    assert isinstance(translation_plan("gru", "additive"), TranslationPlan)
    assert translation_plan("gru", "additive") == TranslationPlan()
    quick = translation_plan("transformer", "additive", seed=3, quick=True)
    assert quick.sizes == translation_plan("transformer", "additive").sizes
    assert quick.corpus.train < usual.corpus.train / 5
    assert quick.schedule.seed == 3
    assert all(len(pair.english) <= quick.corpus.longest for pair in held_out_pairs())


@pytest.mark.parametrize("kind", ["small_plan", "transformer_plan"])
def test_a_trained_translator_is_found_again_without_its_corpus(kind, cache, monkeypatch, request):
    plan = request.getfixturevalue(kind)
    first = trained_model(translation_recipe(plan), progress=False)
    monkeypatch.setattr(module, "make_corpus", None)
    again = trained_model(translation_recipe(plan), progress=False)
    assert again.facts == first.facts
    assert again.history == first.history
    found = Findings.of(again.facts)
    assert found.languages == first.task.languages
    assert {pair.english for pair in found.examples} <= {
        pair.english for pair in first.task.corpus.test
    }
    assert 0 < found.quality.alignment.error < 1
    source = jnp.asarray(found.languages.source.encode([pair.english for pair in found.examples]))
    scores = [each.encode(source) for each in (first.model, again.model)]
    assert all(map(np.array_equal, *map(jax.tree.leaves, scores)))


def test_findings_pass_through_json(small_plan):
    task = TranslationTask(small_plan)
    model = new_model(task, 0)
    model.eval()
    facts = task.facts(model)
    found = Findings.of(json.loads(json.dumps(facts)))
    assert found == Findings.of(facts)
    assert found.languages == task.languages
    assert set(found.examples) <= set(task.corpus.test)
