"""Facts of German grammar about several clauses, questions and couples, each as a sentence."""

import dataclasses

import pytest

from attnreport.tasks.translation.grammar.lexicon import lexicon
from attnreport.tasks.translation.grammar.trees import (
    Couple,
    Description,
    Joined,
    Linked,
    Opening,
    Pronoun,
    Question,
    Relative,
    Reported,
    WithInfinitive,
)
from tests.tasks.translation.saying import THAT, WHO, texts


def test_in_a_subordinate_clause_the_verb_comes_last(clause):
    def after_that(content):
        return texts(Reported(clause("i", "glauben"), "that", content))

    assert after_that(clause("the boy", "aufheben", "the ball")) == (
        "i believe that the boy picks up the ball",
        "ich glaube , dass der junge den ball aufhebt",
    )
    assert after_that(clause("the boy", "lesen", "the letter", tense="perfect"))[1] == (
        "ich glaube , dass der junge den brief gelesen hat"
    )
    assert after_that(clause("the boys", "lesen", "the letter", tense="can"))[1] == (
        "ich glaube , dass die jungen den brief lesen können"
    )
    assert after_that(clause("the boy", "sehen", "him"))[1] == (
        "ich glaube , dass der junge ihn sieht"
    )


def test_indirect_questions_put_the_verb_last_too(clause):
    asks = clause("the boy", "fragen")
    assert texts(Reported(asks, "whether", clause("the king", "kommen"))) == (
        "the boy asks whether the king comes",
        "der junge fragt , ob der könig kommt",
    )
    assert texts(Reported(asks, "where", clause("the key", "stehen")))[1] == (
        "der junge fragt , wo der schlüssel steht"
    )


def test_a_clause_in_front_takes_the_place_before_the_verb(clause):
    rain, sleep = clause("it", "regnen"), clause("the cat", "schlafen", place="in the barn")
    assert texts(Linked(sleep, "when", rain)) == (
        "the cat sleeps in the barn when it rains",
        "die katze schläft in der scheune , wenn es regnet",
    )
    assert texts(Linked(sleep, "when", rain, fronted=True)) == (
        "when it rains , the cat sleeps in the barn",
        "wenn es regnet , schläft die katze in der scheune",
    )


@pytest.mark.parametrize(("animal", "pronoun"), [("dog", "er"), ("cat", "sie"), ("horse", "es")])
def test_it_has_the_gender_of_its_noun(clause, nominal, animal, pronoun):
    subject = nominal(f"the {animal}")
    it = Pronoun(lexicon().pronouns["it"], subject.gender)
    tired = clause(it, "sein", description=Description(lexicon().adjectives["tired"]))
    english, german = texts(Linked(clause(subject, "schlafen"), "because", tired))
    assert english == f"the {animal} sleeps because it is tired"
    assert german.endswith(f" , weil {pronoun} müde ist")


@pytest.mark.parametrize(
    ("arguments", "options", "english", "german"),
    [
        (("the cat", "schlafen"), {}, "does not sleep", "schläft nicht"),
        (
            ("the cat", "schlafen"),
            {"place": "in the house"},
            "does not sleep in the house",
            "schläft nicht im haus",
        ),
        (
            ("the cat", "sehen", "the dog"),
            {},
            "does not see the dog",
            "sieht den hund nicht",
        ),
        (
            ("the cat", "fangen", "a mouse"),
            {},
            "does not catch a mouse",
            "fängt keine maus",
        ),
        (
            ("the cat", "trinken", "cold water"),
            {"tense": "perfect"},
            "has not drunk cold water",
            "hat kein kaltes wasser getrunken",
        ),
        (
            ("the cat", "aufwecken", "the dog"),
            {},
            "does not wake the dog",
            "weckt den hund nicht auf",
        ),
        (("the cat", "aufwachen"), {"tense": "can"}, "cannot wake up", "kann nicht aufwachen"),
        (
            ("the cat", "helfen", "him"),
            {"tense": "wants"},
            "does not want to help him",
            "will ihm nicht helfen",
        ),
    ],
)
def test_what_is_denied_and_where(says, arguments, options, english, german):
    assert says(*arguments, **options, negated=True) == (
        f"the cat {english}",
        f"die katze {german}",
    )


def test_descriptions_and_comparisons(says, nominal):
    adjectives = lexicon().adjectives

    def described(word, **options):
        return says("the hare", "sein", description=Description(adjectives[word], **options))

    assert described("tired", very=True) == ("the hare is very tired", "der hase ist sehr müde")
    assert described("quick", than=nominal("the old hedgehog")) == (
        "the hare is quicker than the old hedgehog",
        "der hase ist schneller als der alte igel",
    )


def opening(nominal, english: str, forms: tuple[str, str]) -> Opening:
    return Opening(forms, nominal(english).gender)


def test_a_relative_clause_with_commas_stays_with_its_subject(says, clause, nominal):
    about = clause(opening(nominal, "the king", WHO), "wohnen", place="in the castle")
    king = dataclasses.replace(nominal("the king"), relative=Relative(about, commas=True))
    assert says(king, "einladen", "the witch") == (
        "the king , who lives in the castle , invites the witch",
        "der könig , der im schloss wohnt , lädt die hexe ein",
    )


@pytest.mark.parametrize(
    ("english", "verb", "german"),
    [
        ("the dog", "suchen", "den hund gesehen , den sie sucht"),
        ("the cat", "suchen", "die katze gesehen , die sie sucht"),
        ("the horse", "suchen", "das pferd gesehen , das sie sucht"),
        ("the dogs", "suchen", "die hunde gesehen , die sie sucht"),
        ("the dog", "helfen", "den hund gesehen , dem sie hilft"),
        ("the cat", "helfen", "die katze gesehen , der sie hilft"),
        ("the dogs", "helfen", "die hunde gesehen , denen sie hilft"),
    ],
)
def test_a_relative_clause_about_an_object_waits_for_the_end(
    says, clause, nominal, english, verb, german
):
    about = clause("she", verb, opening(nominal, english, THAT))
    item = dataclasses.replace(nominal(english), relative=Relative(about, commas=False))
    heard = says("he", "sehen", item, tense="perfect")
    assert heard[0].startswith(f"he has seen {english} that she ")
    assert heard[1] == f"er hat {german}"


def test_questions(clause):
    def asked(*arguments, word="", **options):
        return texts(Question(clause(*arguments, **options), word))

    assert asked("the boy", "aufmachen", "the door", tense="perfect", word="why") == (
        "why has the boy opened the door ?",
        "warum hat der junge die tür aufgemacht ?",
    )
    assert asked("the dog", "schlafen", word="where") == (
        "where does the dog sleep ?",
        "wo schläft der hund ?",
    )
    assert asked("the dogs", "schlafen") == ("do the dogs sleep ?", "schlafen die hunde ?")
    assert asked("the dog", "sein", description=Description(lexicon().adjectives["sad"])) == (
        "is the dog sad ?",
        "ist der hund traurig ?",
    )


@pytest.mark.parametrize(
    ("verb", "german"),
    [("einladen", "wen lädt der könig ein ?"), ("helfen", "wem hilft der könig ?")],
)
def test_whom_is_accusative_or_dative(clause, verb, german):
    whom = Opening(WHO, "m", question=True)
    english, found = texts(Question(clause("the king", verb, whom)))
    assert english.startswith("whom does the king ")
    assert found == german


def test_who_and_what(clause):
    who, what = Opening(WHO, "m", question=True), Opening(("what", "what"), "n", question=True)
    assert texts(Question(clause(who, "aufmachen", "the gate"))) == (
        "who opens the gate ?",
        "wer macht das tor auf ?",
    )
    assert texts(Question(clause("the bear", "fressen", what))) == (
        "what does the bear eat ?",
        "was frisst der bär ?",
    )


def test_infinitives(clause):
    def after(main, infinitive, purpose=False):
        return texts(WithInfinitive(main, infinitive, purpose))

    tries = clause("the boy", "versuchen")
    assert after(tries, clause(None, "fangen", "the ball")) == (
        "the boy tries to catch the ball",
        "der junge versucht , den ball zu fangen",
    )
    assert after(tries, clause(None, "aufmachen", "the door")) == (
        "the boy tries to open the door",
        "der junge versucht , die tür aufzumachen",
    )
    climbs = clause("the cat", "klettern", place="onto the roof", direction=True, tense="perfect")
    assert after(climbs, clause(None, "beobachten", "the birds"), purpose=True) == (
        "the cat has climbed onto the roof to watch the birds",
        "die katze ist auf das dach geklettert , um die vögel zu beobachten",
    )


def test_couples_and_joined_clauses(clause, nominal):
    couple = Couple(nominal("the king"), nominal("the queen"))
    assert texts(Joined(clause(couple, "tanzen"), "but", clause("the child", "schlafen"))) == (
        "the king and the queen dance , but the child sleeps",
        "der könig und die königin tanzen , aber das kind schläft",
    )
