import numpy as np
import pytest

from attnreport.models.translator import PADDING
from attnreport.tasks.translation.batches import Languages, bucketed, shuffled_batches
from attnreport.tasks.translation.corpus import CorpusSizes, make_corpus

PAIRS = make_corpus(CorpusSizes(train=400, validation=0, test=0)).train
LANGUAGES = Languages.of(PAIRS)
WIDTHS = (8, 12, 17)


@pytest.fixture(scope="module")
def buckets():
    return bucketed(PAIRS, LANGUAGES, WIDTHS)


def sentences(batches) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return sorted(
        (LANGUAGES.source.decode(source), LANGUAGES.target.decode(target))
        for batch in batches
        for source, target in zip(batch.source, batch.target, strict=True)
    )


def test_every_pair_is_in_one_bucket_whole(buckets):
    assert sentences(buckets) == sorted((pair.english, pair.german) for pair in PAIRS)


def test_buckets_have_their_widths_and_no_pair_fits_in_a_narrower_one(buckets):
    assert [bucket.source.shape[1] for bucket in buckets] == [8, 12, 17]
    assert [bucket.target.shape[1] for bucket in buckets] == [9, 13, 18]
    for bucket, narrower in zip(buckets[1:], WIDTHS, strict=False):
        lengths = (bucket.source != PADDING).sum(1), (bucket.target != PADDING).sum(1) - 1
        assert np.maximum(*lengths).min() > narrower


def test_an_epoch_has_every_pair_at_most_once_in_full_batches(buckets):
    batches = shuffled_batches(buckets, 16, (0, 0))
    assert {len(batch.source) for batch in batches} == {16}
    assert len(batches) == sum(len(bucket.source) // 16 for bucket in buckets)
    drawn = sentences(batches)
    assert len(set(drawn)) == len(drawn)


def test_the_seed_decides_the_order(buckets):
    def first(seed):
        return shuffled_batches(buckets, 16, seed)[0].source.tolist()

    assert first((0, 0)) == first((0, 0))
    assert first((0, 0)) != first((0, 1))
    assert first((0, 0)) != first((1, 0))
