"""Facts of German grammar within one clause, each as a sentence."""

import dataclasses

import pytest


def test_the_sentence_that_the_corpus_holds_out(says):
    assert says("the quick brown fox", "springen", place="over the lazy dog", direction=True) == (
        "the quick brown fox jumps over the lazy dog",
        "der schnelle braune fuchs springt über den faulen hund",
    )


@pytest.mark.parametrize(
    ("english", "nominative", "accusative", "dative"),
    [
        ("the old king", "der alte könig", "den alten könig", "dem alten könig"),
        ("a old king", "ein alter könig", "einen alten könig", "einem alten könig"),
        ("my old king", "mein alter könig", "meinen alten könig", "meinem alten könig"),
        ("this old king", "dieser alte könig", "diesen alten könig", "diesem alten könig"),
        ("every old king", "jeder alte könig", "jeden alten könig", "jedem alten könig"),
        ("the old queen", "die alte königin", "die alte königin", "der alten königin"),
        ("a old queen", "eine alte königin", "eine alte königin", "einer alten königin"),
        ("our old queen", "unsere alte königin", "unsere alte königin", "unserer alten königin"),
        ("the old horse", "das alte pferd", "das alte pferd", "dem alten pferd"),
        ("a old horse", "ein altes pferd", "ein altes pferd", "einem alten pferd"),
        ("this old horse", "dieses alte pferd", "dieses alte pferd", "diesem alten pferd"),
        ("her old horse", "ihr altes pferd", "ihr altes pferd", "ihrem alten pferd"),
        ("the old horses", "die alten pferde", "die alten pferde", "den alten pferden"),
        ("my old horses", "meine alten pferde", "meine alten pferde", "meinen alten pferden"),
        ("these old horses", "diese alten pferde", "diese alten pferde", "diesen alten pferden"),
        ("all old horses", "alle alten pferde", "alle alten pferde", "allen alten pferden"),
        ("many old horses", "viele alte pferde", "viele alte pferde", "vielen alten pferden"),
        ("some old horses", "einige alte pferde", "einige alte pferde", "einigen alten pferden"),
        ("two old horses", "zwei alte pferde", "zwei alte pferde", "zwei alten pferden"),
        ("old horses", "alte pferde", "alte pferde", "alten pferden"),
        ("the young bear", "der junge bär", "den jungen bären", "dem jungen bären"),
        ("a small boy", "ein kleiner junge", "einen kleinen jungen", "einem kleinen jungen"),
        ("the tired neighbor", "der müde nachbar", "den müden nachbarn", "dem müden nachbarn"),
        ("a angry farmer", "ein wütender bauer", "einen wütenden bauern", "einem wütenden bauern"),
        ("the daughters", "die töchter", "die töchter", "den töchtern"),
        ("two birds", "zwei vögel", "zwei vögel", "zwei vögeln"),
        ("the squirrels", "die eichhörnchen", "die eichhörnchen", "den eichhörnchen"),
        ("the princesses", "die prinzessinnen", "die prinzessinnen", "den prinzessinnen"),
        ("he", "er", "ihn", "ihm"),
        ("she", "sie", "sie", "ihr"),
        ("they", "sie", "sie", "ihnen"),
        ("we", "wir", "uns", "uns"),
    ],
)
def test_articles_adjectives_and_nouns_decline(
    says, nominal, english, nominative, accusative, dative
):
    assert says(english, "sehen", "the frog", tense="future")[1].startswith(f"{nominative} w")
    assert says("the cat", "sehen", nominal(english))[1] == f"die katze sieht {accusative}"
    assert says("the cat", "helfen", nominal(english))[1] == f"die katze hilft {dative}"


@pytest.mark.parametrize(
    ("english", "accusative"),
    [
        ("cold water", "kaltes wasser"),
        ("fresh milk", "frische milch"),
        ("warm tea", "warmen tee"),
    ],
)
def test_without_an_article_the_adjective_shows_the_gender(says, english, accusative):
    assert says("she", "trinken", english) == (f"she drinks {english}", f"sie trinkt {accusative}")


@pytest.mark.parametrize(
    ("place", "german"),
    [
        ("at the expensive map", "an der teuren karte"),
        ("in the dark forest", "im dunklen wald"),
        ("on the high wall", "auf der hohen mauer"),
    ],
)
def test_some_adjectives_change_before_an_ending(says, place, german):
    assert says("the cat", "schlafen", place=place)[1] == f"die katze schläft {german}"


def test_a_place_takes_the_dative_and_a_direction_the_accusative(says):
    assert says("the cat", "schlafen", place="under the table") == (
        "the cat sleeps under the table",
        "die katze schläft unter dem tisch",
    )
    assert says("the cat", "laufen", place="under the table", direction=True) == (
        "the cat runs under the table",
        "die katze läuft unter den tisch",
    )


@pytest.mark.parametrize(
    ("place", "german"),
    [
        ("in the house", "im haus"),
        ("in the kitchen", "in der küche"),
        ("into the house", "ins haus"),
        ("into the forest", "in den wald"),
        ("at the window", "am fenster"),
        ("by the river", "am fluss"),
        ("to the castle", "zum schloss"),
        ("to the church", "zur kirche"),
        ("to a church", "zu einer kirche"),
        ("from the house", "aus dem haus"),
        ("through the house", "durch das haus"),
        ("around the house", "um das haus"),
        ("onto the roof", "auf das dach"),
        ("with the king", "mit dem könig"),
        ("for the king", "für den könig"),
        ("beside the houses", "neben den häusern"),
    ],
)
def test_prepositions_take_their_case_and_swallow_the_article(says, place, german):
    assert says("she", "kommen", place=place) == (f"she comes {place}", f"sie kommt {german}")


def test_an_owner_stands_in_the_genitive(says, nominal):
    def owned(english, owner):
        return dataclasses.replace(nominal(english), owner=nominal(owner))

    assert says(owned("the dog", "the farmer"), "sehen", owned("the hat", "the king")) == (
        "the dog of the farmer sees the hat of the king",
        "der hund des bauern sieht den hut des königs",
    )
    assert (
        says("he", "sehen", owned("the crown", "the queen"))[1] == "er sieht die krone der königin"
    )
    assert says("he", "sehen", owned("the box", "the men"))[1] == "er sieht die kiste der männer"


def test_the_verb_stands_second_whatever_comes_first(says):
    assert says("the child", "essen", "an apple", when="today", front="when") == (
        "today the child eats an apple",
        "heute isst das kind einen apfel",
    )
    assert says("the child", "essen", "an apple", when="every day") == (
        "the child eats an apple every day",
        "das kind isst jeden tag einen apfel",
    )
    assert says("the child", "schlafen", place="in the garden", front="place") == (
        "in the garden the child sleeps",
        "im garten schläft das kind",
    )


def test_english_puts_adverbs_of_frequency_before_its_verb(says):
    assert says("the child", "essen", "an apple", when="often", often=True) == (
        "the child often eats an apple",
        "das kind isst oft einen apfel",
    )
    assert says("the child", "essen", "an apple", when="never", often=True, tense="perfect") == (
        "the child has never eaten an apple",
        "das kind hat nie einen apfel gegessen",
    )


def test_behind_the_verb_a_pronoun_comes_before_a_noun(says):
    assert says("the woman", "helfen", "him", when="today", front="when") == (
        "today the woman helps him",
        "heute hilft ihm die frau",
    )
    assert says("she", "helfen", "him", when="today", front="when")[1] == "heute hilft sie ihm"
    assert says("the woman", "helfen", "him")[1] == "die frau hilft ihm"


def test_time_comes_between_receiver_and_thing(says):
    assert says("the king", "geben", "the child", "a coin", when="today") == (
        "the king gives the child a coin today",
        "der könig gibt dem kind heute eine münze",
    )
    assert says("the king", "geben", "him", "a coin", when="today")[1] == (
        "der könig gibt ihm heute eine münze"
    )


@pytest.mark.parametrize(
    ("tense", "english", "german"),
    [
        ("present", "the boy reads the letter", "der junge liest den brief"),
        ("perfect", "the boy has read the letter", "der junge hat den brief gelesen"),
        ("future", "the boy will read the letter", "der junge wird den brief lesen"),
        ("can", "the boy can read the letter", "der junge kann den brief lesen"),
        ("must", "the boy must read the letter", "der junge muss den brief lesen"),
        ("wants", "the boy wants to read the letter", "der junge will den brief lesen"),
        ("should", "the boy should read the letter", "der junge soll den brief lesen"),
        ("may", "the boy may read the letter", "der junge darf den brief lesen"),
    ],
)
def test_what_belongs_to_the_verb_stands_at_the_end(says, tense, english, german):
    assert says("the boy", "lesen", "the letter", tense=tense) == (english, german)


def test_verbs_of_motion_form_their_perfect_with_be(says):
    assert says("the owl", "fliegen", place="over the house", direction=True, tense="perfect") == (
        "the owl has flown over the house",
        "die eule ist über das haus geflogen",
    )
    assert says("we", "folgen", "the king", tense="perfect")[1] == "wir sind dem könig gefolgt"


@pytest.mark.parametrize(
    ("tense", "english", "german"),
    [
        ("present", "the boy picks up the ball", "der junge hebt den ball auf"),
        ("perfect", "the boy has picked up the ball", "der junge hat den ball aufgehoben"),
        ("can", "the boy can pick up the ball", "der junge kann den ball aufheben"),
    ],
)
def test_a_separable_prefix_leaves_its_verb_in_the_present_only(says, tense, english, german):
    assert says("the boy", "aufheben", "the ball", tense=tense) == (english, german)
