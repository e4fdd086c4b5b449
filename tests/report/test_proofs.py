"""Every map says how it was proved: in the page's data, in its tables, and at its top."""

import dataclasses
import inspect
import itertools

import pytest

from attnreport.recording import AttentionMap, Check, Checks, Example, Recording, TokenAxis
from attnreport.report import render_report
from tests.report import proved_recording as proved
from tests.report.page_parser import parse_page
from tests.report.recordings import HOSTILE, self_recording, softmax_weights

FORM = Check("form", detail="Recognized as softmax (model.py:7).")
OTHER_FORM = Check("form", detail="Recognized as softmax (model.py:9).")
GUESS = Check("guess", detail="Which axis holds the heads was taken from its place.")
PRODUCT = Check("weights times values", 2e-7, held=True, detail="Relative to the largest.")


@pytest.fixture(scope="module")
def page():
    return parse_page(render_report(proved.proved_recording()))


def page_of(recording):
    return parse_page(render_report(recording))


def recording_of(*layers, examples=1):
    """A recording whose layers have the given checks, the same in each example or one for each."""
    axis = TokenAxis(tuple("abc"))
    weights = softmax_weights(2, 3, 3)

    def checks_of(layer, example):
        each = layer[example] if isinstance(layer, list) else layer
        return each if isinstance(each, Checks) else Checks(1e-7, 0.0, True, each)

    return Recording(
        tuple(
            Example(
                f"text {example}",
                tuple(
                    AttentionMap(f"l.{n}", weights, axis, axis, checks=checks_of(layer, example))
                    for n, layer in enumerate(layers)
                ),
            )
            for example in range(examples)
        )
    )


def statements(page, stack=0):
    """What the page says of each layer: outcome, name, value and detail."""
    manifest = page.manifest()
    found = manifest["stacks"][stack]["checks"]
    return [[tuple(manifest["checks"][number]) for number in layer] for layer in found]


def tables(page):
    """The tables of checks: heading and cells of each row."""
    return [
        [
            dict(zip([cell.text for cell in heading.children], texts, strict=True))
            for row in table.one("tbody").all("tr")
            for texts in [[cell.text for cell in row.children]]
        ]
        for table in page.by_id("made").all("table")
        for heading in [table.one("thead").one("tr")]
    ]


def facts(page):
    return [fact.text for fact in page.one("ul", **{"class": "facts"}).all("li")]


def line(comment):
    """Place of the line of the model with the given comment."""
    lines = inspect.getsource(proved).splitlines()
    (number,) = [n for n, text in enumerate(lines, 1) if text.endswith(f"# {comment}")]
    return f"proved_recording.py:{number}"


def test_every_map_says_how_it_was_proved(page):
    recording = proved.proved_recording()
    assert len(recording.examples) == len(page.manifest()["stacks"]) == 2
    comments = {
        "layers.0": "multiplied out",
        "layers.1": "multiplied out",
        "layers.2": "not multiplied out",
    }
    for stack, example in enumerate(recording.examples):
        for attention, said in zip(example.maps, statements(page, stack), strict=True):
            place = line(comments.get(attention.name, "rests on a guess"))
            outcomes = {name: outcome for outcome, name, _, _ in said}
            found = {name: (value, detail) for _, name, value, detail in said}
            assert found["form"] == ("", f"Recognized as softmax ({place}).")
            assert found["row sums"][0].startswith("off 1 by at most ")
            assert found["output with and without capture"] == ("the same", "")
            assert found["the same weights in every run"] == ("yes", "")
            assert outcomes["form"] == ""
            judged = ("row sums", "output with and without capture")
            assert [outcomes[name] for name in judged] == ["held", "held"]
            multiplied_out = attention.name != "layers.2"
            assert outcomes["weights times values"] == ("held" if multiplied_out else "")
            assert found["weights times values"][1].startswith(
                "Difference from the program's own" if multiplied_out else "Not multiplied out:"
            )
            assert ("guess" in outcomes) == (attention.name not in comments)


def test_the_table_of_attentions_has_the_error_of_each_product(page):
    rows, _ = tables(page)
    cells = {row["attention"]: (row["weights times values"], row["guesses"]) for row in rows}
    assert cells == {
        "layers.0": ("0", "none"),
        "layers.1": ("0", "none"),
        "layers.2": ("not measured", "none"),
        line("rests on a guess"): ("0", "1"),
    }
    assert all(row["output with and without capture differs by"] == "0" for row in rows)


def test_a_guess_is_never_shown_as_certain(page):
    (fact,) = [fact for fact in facts(page) if "guess" in fact]
    assert fact.startswith("1 of 4 attentions rests on a guess: ")
    _, rows = tables(page)
    (row,) = [row for row in rows if row["check"] == "guess"]
    assert (row["outcome"], row["in"]) == ("guess", "2 of 8 maps: layer 2")
    assert "was taken from its place" in row["what it says"]
    guesses = [said for said in itertools.chain(*statements(page)) if said[1] == "guess"]
    assert [outcome for outcome, *_ in guesses] == ["guess"]


def test_what_was_not_multiplied_out_is_not_among_what_held(page):
    _, rows = tables(page)
    said, measured = [row for row in rows if row["check"] == "weights times values"]
    assert (said["worst value"], said["outcome"]) == ("–", "–")
    assert (said["in"], measured["outcome"]) == ("2 of 8 maps: layer 3", "held in 6 of 8")
    assert said["what it says"].startswith("Not multiplied out: the program changes the weights")


def test_without_guesses_nothing_speaks_of_them():
    page = page_of(recording_of((FORM, PRODUCT), (FORM, PRODUCT)))
    assert not any("guess" in fact for fact in facts(page))
    assert "guesses" not in tables(page)[0][0]


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        (
            Checks(),
            [("", "not measured"), ("", "not compared"), ("", "not tried")],
        ),
        (
            Checks(2e-7, 0.0, True),
            [("held", "off 1 by at most 2e-07"), ("held", "the same"), ("held", "yes")],
        ),
        (
            Checks(0.0, 3e-6, False),
            [
                ("held", "off 1 by at most 0"),
                ("", "differs by at most 3e-06"),
                ("", "no, they are one random sample"),
            ],
        ),
    ],
)
def test_what_was_not_tried_is_not_claimed(checks, expected):
    ((*said,),) = statements(page_of(recording_of(checks)))
    assert [(outcome, value) for outcome, _, value, _ in said] == expected


def test_of_what_was_computed_only_its_origin_is_said():
    computed = Check("form", detail="Computed from the captured attention of all layers.")
    ((*said,),) = statements(page_of(recording_of(Checks(others=(computed,)))))
    assert said == [("", "form", "", "Computed from the captured attention of all layers.")]


def test_rows_that_need_not_sum_to_one_are_not_judged_by_their_sums():
    axis = TokenAxis(tuple("ab"))
    weights = softmax_weights(1, 2, 2) * 0.5
    maps = (AttentionMap("gate", weights, axis, axis, "gate", normalized=False),)
    (said, *_), *_ = statements(page_of(Recording((Example("x", maps),))))
    assert said == ("", "row sums", "need not be 1", "")


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (PRODUCT, ("held", "weights times values", "2e-07", "Relative to the largest.")),
        (Check("a", 0.5, "bits", held=False), ("failed", "a", "0.5 bits", "")),
        (Check("a", 0.5), ("", "a", "0.5", "")),
        (GUESS, ("guess", "guess", "", GUESS.detail)),
        # Somebody else's check of that name, which was judged.
        (Check("guess", held=True), ("held", "guess", "", "")),
    ],
)
def test_a_check_in_words(check, expected):
    assert statements(page_of(recording_of((check,))))[0][0] == expected


def test_many_maps_and_examples_take_few_rows_and_little_room():
    product = dataclasses.replace(PRODUCT, value=3e-7)
    layers = [(FORM, PRODUCT) if layer % 2 else (OTHER_FORM, product) for layer in range(40)]
    page = page_of(recording_of(*layers, examples=3))
    operations, rows = tables(page)
    assert len(operations) == 40
    assert [(row["check"], row["in"]) for row in rows] == [
        ("form", f"60 of 120 maps: layers {', '.join(map(str, range(0, 40, 2)))}"),
        ("form", f"60 of 120 maps: layers {', '.join(map(str, range(1, 40, 2)))}"),
        ("weights times values", "l.0 (text 0)"),
    ]
    assert len(page.manifest()["checks"]) == 7
    for stack in range(3):
        assert [said[1][2] for said in statements(page, stack)] == ["3e-07", "2e-07"] * 20


@pytest.mark.parametrize(
    ("layers", "examples", "places"),
    [
        ([(FORM,)], 1, [""]),
        ([(FORM,), (FORM,)], 1, ["all 2 maps"]),
        ([(FORM,), (OTHER_FORM,)], 1, ["l.0", "l.1"]),
        ([(FORM,), (FORM,), (FORM,), ()], 1, ["3 of 4 maps: layers 0–2"]),
        ([(FORM,), (FORM,)], 3, ["all 6 maps"]),
        ([[(FORM,), ()], ()], 2, ["l.0 (text 0)"]),
        ([[(FORM,), (FORM,), ()], ()], 3, ["2 of 6 maps: layer 0 (text 0, text 1)"]),
        (
            [[(FORM,)] * 5 + [()]],
            6,
            ["5 of 6 maps: layer 0 (text 0, text 1, text 2 and 2 more)"],
        ),
    ],
)
def test_what_is_said_of_several_maps_names_them(layers, examples, places):
    _, rows = tables(page_of(recording_of(*layers, examples=examples)))
    assert [row["in"] for row in rows] == places


def test_only_the_first_of_many_checks_have_columns():
    checks = tuple(Check(f"c{number}", number / 8, held=number != 1) for number in range(5))
    ((row,), more) = tables(page_of(recording_of(checks)))
    assert list(row.values())[-3:] == ["0", "0.125, failed", "0.25"]
    assert list(row)[-3:] == ["c0", "c1", "c2"]
    assert len(more) == 5


def test_hostile_texts_reach_the_page_as_they_are(pages):
    found = {tuple(each) for each in pages["hostile"].manifest()["checks"]}
    assert {name for _, name, *_ in found} >= set(HOSTILE)
    assert {detail for *_, detail in found} >= set(HOSTILE)


def test_a_page_without_a_model_says_that_nothing_was_compared():
    said = statements(page_of(self_recording()))
    assert all(("", "output with and without capture", "not compared", "") in each for each in said)
