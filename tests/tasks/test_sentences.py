"""Facts of German grammar, each as a sentence."""

import dataclasses

import pytest

from attnreport.tasks.grammar import sentence_pair
from attnreport.tasks.grammar.lexicon import lexicon
from attnreport.tasks.grammar.trees import (
    Couple,
    Description,
    Joined,
    Linked,
    Opening,
    Pronoun,
    Question,
    Relative,
    Reported,
    Statement,
    WithInfinitive,
)

WHO, WHICH, THAT = (("who", "whom"), ("which", "which"), ("that", "that"))


def texts(sentence) -> tuple[str, str]:
    pair = sentence_pair(sentence)
    return " ".join(pair.english), " ".join(pair.german)


@pytest.fixture
def says(clause):
    """English and German of a statement about one clause."""
    return lambda *arguments, front="", **options: texts(
        Statement(clause(*arguments, **options), front)
    )


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
