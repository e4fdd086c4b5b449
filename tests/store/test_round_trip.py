import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attnreport.recording import (
    AXIS_TYPES,
    AttentionMap,
    Check,
    Checks,
    Confusion,
    Curve,
    Deletion,
    DeletionCurve,
    Example,
    Generation,
    GridAxis,
    Importance,
    ItemAxis,
    LayerImportance,
    Metric,
    Picture,
    Recording,
    Scoring,
    Source,
    TokenAxis,
    Training,
    layer_numbers,
)
from attnreport.store import load_recording, save_recording

fresh = itertools.count()


def test_a_recording_comes_back_as_it_was(
    tmp_path, assert_same, tiny_recording, cross_recording, full_recording
):
    for number, recording in enumerate([tiny_recording, cross_recording, full_recording]):
        path = tmp_path / f"{number}.attn"
        recording.save(path)
        assert_same(load_recording(path), recording)
        assert_same(load_recording(str(path)), recording)


def says_something(value: object, default: object) -> bool:
    if isinstance(value, np.ndarray):
        return True
    return value is not default and value not in (default, (), {}, None, "")


@pytest.mark.parametrize(
    "kind",
    [
        *(Recording, Example, AttentionMap, Checks, Check, Source, Metric, *AXIS_TYPES),
        *(Picture, Confusion, Training, Curve, Deletion, DeletionCurve, Generation, Scoring),
        *(Importance, LayerImportance),
    ],
)
def test_the_full_recording_leaves_no_field_at_its_default(kind, full_recording):
    """So a field that the store forgets fails the test above."""
    found = [full_recording, full_recording.source, *full_recording.metrics]
    found += [full_recording.confusion, full_recording.training, *full_recording.training.curves]
    found += [full_recording.deletion, *full_recording.deletion.curves]
    found += [full_recording.importance, *full_recording.importance.layers]
    found.append(full_recording.examples[0].picture)
    for example in full_recording.examples:
        found += [example, example.generation]
        for attention in example.maps:
            found += [
                attention,
                attention.scoring,
                attention.checks,
                *attention.checks.others,
                attention.query,
            ]
    for field in dataclasses.fields(kind):
        values = [getattr(each, field.name) for each in found if type(each) is kind]
        assert any(says_something(value, field.default) for value in values), field.name


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weights_keep_their_format_bit_by_bit(dtype, tmp_path):
    bits = np.random.default_rng(0).integers(0, 255, (3, 5, 7, np.dtype(dtype).itemsize), np.uint8)
    weights = bits.view(dtype)[..., 0]
    axes = [TokenAxis(tuple("abcde")), TokenAxis(tuple("abcdefg"))]
    recording = Recording((Example("a", (AttentionMap("a", weights, *axes),)),))
    recording.save(tmp_path / "run.attn")
    found = load_recording(tmp_path / "run.attn").examples[0].maps[0].weights
    assert found.dtype == dtype
    assert np.stack(list(found)).tobytes() == weights.tobytes()


def test_arrays_may_lie_in_memory_in_any_order(tmp_path, softmax_weights, assert_same):
    base = softmax_weights(6, 6, 6)
    views = [base.transpose(1, 0, 2)[::2, ::-1], np.asfortranarray(base)[1:4], base.astype(">f4")]
    axis = TokenAxis(tuple("abcdef"))
    maps = tuple(AttentionMap("a", view, axis, axis, mask=base[0].T > 0.1) for view in views)
    recording = Recording((Example("a", maps),))
    recording.save(tmp_path / "run.attn")
    assert_same(load_recording(tmp_path / "run.attn"), recording)


def test_heads_are_read_when_they_are_asked_for(tmp_path, tiny_recording):
    path = tmp_path / "run.attn"
    tiny_recording.save(path)
    first, second = load_recording(path).examples[0].maps
    original = tiny_recording.examples[0].maps[0].weights
    assert first.weights.shape == (3, 5, 5)
    assert len(first.weights) == 3
    np.testing.assert_array_equal(first.weights[-1], original[-1])
    with pytest.raises(IndexError):
        first.weights[3]
    assert "weights_0_1" in repr(second.weights)
    (path / "weights_0_1" / "c.0.0.0").write_bytes(b"")
    np.testing.assert_array_equal(first.head(0), original[0])
    with pytest.raises(OSError, match="head 0 of array 'weights_0_1'"):
        second.head(0)


def test_a_loaded_recording_can_be_saved_again_even_over_itself(
    tmp_path, assert_same, full_recording
):
    path = tmp_path / "run.attn"
    full_recording.save(path)
    loaded = load_recording(path)
    loaded.save(tmp_path / "copy.attn")
    loaded.save(path)
    assert_same(load_recording(tmp_path / "copy.attn"), full_recording)
    assert_same(load_recording(path), full_recording)
    assert_same(loaded, full_recording)


def test_masks_that_layers_share_are_stored_once(tmp_path, softmax_weights):
    mask = np.tril(np.ones((4, 4), bool))
    weights = softmax_weights(5, 2, 4, 4, mask=mask)
    Recording.from_arrays(weights, list("abcd"), mask=mask).save(tmp_path / "run.attn")
    assert len(list(tmp_path.glob("run.attn/mask_*"))) == 1
    maps = load_recording(tmp_path / "run.attn").examples[0].maps
    assert len({id(attention.mask) for attention in maps}) == 1


def test_millions_of_weights_are_saved_without_a_loop_over_them(tmp_path, lines_run):
    def lines(positions: int) -> int:
        weights = np.full((12, 12, positions, positions), 1 / positions, np.float16)
        recording = Recording.from_arrays(weights, mask=np.ones((positions, positions), bool))
        return lines_run(lambda: recording.save(tmp_path / f"{positions}.attn"))

    rows = 12 * 12 * 128  # 2.4 M weights
    assert lines(128) < lines(8) + rows / 4


def test_a_recording_is_loaded_without_reading_any_weights(tmp_path, tiny_recording):
    path = tmp_path / "run.attn"
    tiny_recording.save(path)
    heads = list(path.glob("weights_*/c.*"))
    assert len(heads) == 2  # heads as small as these lie together
    for file in heads:
        file.write_bytes(b"")
    maps = load_recording(path).examples[0].maps
    assert [attention.weights.shape for attention in maps] == [(3, 5, 5)] * 2
    with pytest.raises(OSError, match="head 0 of array"):
        maps[0].head(0)


TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
NUMBERS = st.floats() | st.integers(-(2**70), 2**70)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    tokens=st.lists(TEXTS, min_size=1, max_size=6),
    text=TEXTS,
    scores=st.dictionaries(TEXTS, NUMBERS, max_size=3),
    error=st.none() | st.floats(),
    layer=st.none() | st.integers(0, 2**70),
    held=st.none() | st.booleans(),
)
def test_any_text_and_any_number_come_back(assert_same, tokens, text, scores, error, layer, held):
    axis = TokenAxis(tuple(tokens))
    attention = AttentionMap(
        name=text,
        weights=np.eye(len(tokens), dtype=np.float32)[np.newaxis],
        query=axis,
        key=axis,
        group=text,
        layer=layer,
        checks=Checks(error, None, None, (Check(text, error, text, held, text),)),
    )
    recording = Recording(
        (Example(text, (attention,), input=text, scores=scores),),
        source=Source(notes=(text,), versions={text: text}),
        metrics=tuple(Metric(name, value) for name, value in scores.items()),
    )
    target = f"memory://property/{next(fresh)}"
    save_recording(recording, target)
    assert_same(load_recording(target), recording)


def test_a_recording_from_before_there_were_layer_numbers_and_other_checks_is_read(
    tmp_path, assert_same, tiny_recording
):
    tiny_recording.save(tmp_path / "run.attn")
    root = tmp_path / "run.attn" / "zarr.json"
    written = json.loads(root.read_text())
    for example in written["attributes"]["attnreport"]["examples"]:
        for attention in example["maps"]:
            del attention["layer"], attention["checks"]["others"]
    root.write_text(json.dumps(written))
    assert_same(load_recording(tmp_path / "run.attn"), tiny_recording)


def test_a_recording_from_before_there_were_pictures_is_read(
    tmp_path, assert_same, softmax_weights
):
    grid = GridAxis(2, 2)
    recording = Recording(
        (Example("a", (AttentionMap("m", softmax_weights(1, 4, 4), grid, grid),)),)
    )
    recording.save(tmp_path / "run.attn")
    root = tmp_path / "run.attn" / "zarr.json"
    written = json.loads(root.read_text())
    description = written["attributes"]["attnreport"]
    description["schema"] = 1
    for later in ("confusion", "training", "deletion", "importance"):
        del description[later]
    del description["examples"][0]["picture"]
    assert "picture" not in description["axes"][0]
    root.write_text(json.dumps(written))
    assert_same(load_recording(tmp_path / "run.attn"), recording)


def test_a_picture_is_stored_once_and_is_shared_again_when_it_is_read(tmp_path, softmax_weights):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    grids = [GridAxis(height, 2, picture=Picture(pixels)) for height in (2, 3)]
    maps = tuple(
        AttentionMap(
            "m", softmax_weights(1, len(grid), len(grid)), grid, grid, group=str(grid.height)
        )
        for grid in grids
    )
    recording = Recording((Example("a", maps, picture=Picture(pixels.copy())),))
    recording.save(tmp_path / "run.attn")
    assert len(list(tmp_path.glob("run.attn/picture_*"))) == 1
    found = load_recording(tmp_path / "run.attn").examples[0]
    assert found.picture is found.maps[0].key.picture is found.maps[1].key.picture
    np.testing.assert_array_equal(found.picture.pixels, pixels)


def test_a_layer_keeps_its_number_on_disk(tmp_path, softmax_weights):
    Recording.from_arrays(softmax_weights(6, 1, 2, 2)).select(layers=[3, 5]).save(
        tmp_path / "run.attn"
    )
    found = load_recording(tmp_path / "run.attn")
    assert layer_numbers(found.examples[0].maps) == (3, 5)
    assert layer_numbers(found.select(layers=[5]).examples[0].maps) == (5,)


@pytest.mark.parametrize("normalized", [True, False])
def test_a_router_comes_back(normalized, tmp_path, assert_same, softmax_weights):
    weights = softmax_weights(1, 3, 4) * (1 if normalized else 0.9)
    experts = ItemAxis(tuple(f"expert {i}" for i in range(4)))
    router = AttentionMap(
        "router", weights, TokenAxis(tuple("abc")), experts, "router", normalized=normalized
    )
    recording = Recording((Example("a", (router,)),))
    recording.save(tmp_path / "run.attn")
    assert_same(load_recording(tmp_path / "run.attn"), recording)


def test_a_recording_of_format_2_knows_of_no_generation(tmp_path, full_recording, assert_same):
    """What an earlier release wrote: nothing of what was written, and of which row wrote it."""
    full_recording.save(tmp_path / "run.attn")
    root = tmp_path / "run.attn" / "zarr.json"
    content = json.loads(root.read_text(encoding="utf-8"))
    description = content["attributes"]["attnreport"]
    description["schema"] = 2
    for example in description["examples"]:
        del example["generation"]
        for attention in example["maps"]:
            del attention["first_step"], attention["scoring"]
    root.write_text(json.dumps(content), encoding="utf-8")
    found = load_recording(tmp_path / "run.attn")
    assert all(example.generation is None for example in found.examples)
    maps = [attention for example in found.examples for attention in example.maps]
    assert all(attention.first_step is None for attention in maps)
    plain = dataclasses.replace(
        full_recording,
        examples=tuple(
            dataclasses.replace(
                example,
                generation=None,
                maps=tuple(
                    dataclasses.replace(each, first_step=None, scoring=None)
                    for each in example.maps
                ),
            )
            for example in full_recording.examples
        ),
    )
    assert_same(found, plain)
