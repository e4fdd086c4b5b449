"""Which words of a sentence and its translation belong together."""

from attnreport.tasks.translation.grammar import sentence_pair
from attnreport.tasks.translation.grammar.trees import (
    Reported,
    Statement,
    WithInfinitive,
)


def links(sentence) -> dict[str, str]:
    """For each German word the English words it translates."""
    pair = sentence_pair(sentence)
    return {
        word: " ".join(pair.english[source] for source in sources)
        for word, sources in zip(pair.german, pair.links, strict=True)
    }


def test_fused_words_are_linked_to_all_they_translate(clause):
    found = links(Statement(clause("the cat", "schlafen", place="in the house")))
    assert found == {
        "die": "the",
        "katze": "cat",
        "schläft": "sleeps",
        "im": "in the",
        "haus": "house",
    }
    split = links(Statement(clause("he", "aufheben", "the ball")))
    assert (split["hebt"], split["auf"]) == ("picks", "up")
    whole = links(Statement(clause("he", "aufheben", "the ball", tense="must")))
    assert whole["aufheben"] == "pick up"
    opened = links(Statement(clause("he", "aufmachen", "the box")))
    assert (opened["macht"], opened["auf"]) == ("opens", "opens")
    infinitive = links(
        WithInfinitive(clause("he", "versuchen"), clause(None, "aufmachen", "the box"), False)
    )
    assert infinitive["aufzumachen"] == "to open"


def test_words_that_german_does_without_have_no_link(clause):
    found = links(Statement(clause("he", "sehen", "the cat", negated=True)))
    assert found == {"er": "he", "sieht": "see", "die": "the", "katze": "cat", "nicht": "not"}
    wants = links(Statement(clause("he", "schlafen", tense="wants")))
    assert wants == {"er": "he", "will": "wants", "schlafen": "sleep"}


def test_kein_is_linked_to_the_denial_and_the_article(clause):
    found = links(Statement(clause("he", "sehen", "a cat", negated=True)))
    assert found["keine"] == "not a"
    cannot = links(Statement(clause("he", "sehen", "a cat", negated=True, tense="can")))
    assert (cannot["kann"], cannot["keine"]) == ("cannot", "cannot a")


def test_a_comma_that_english_lacks_is_linked_to_the_word_that_opens_the_clause(clause):
    found = links(Reported(clause("he", "glauben"), "that", clause("the cat", "schlafen")))
    assert (found[","], found["dass"]) == ("that", "that")


def test_the_alignment_has_a_row_and_a_column_for_the_end_without_a_link(clause):
    alignment = sentence_pair(Statement(clause("the cat", "schlafen"))).alignment()
    assert alignment.tolist() == [
        [True, False, False, False],
        [False, True, False, False],
        [False, False, True, False],
        [False, False, False, False],
    ]
