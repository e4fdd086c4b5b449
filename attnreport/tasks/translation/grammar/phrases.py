"""Puts noun phrases, pronouns and prepositional phrases into words."""

from attnreport.tasks.translation.grammar.closed_classes import CONTRACTIONS
from attnreport.tasks.translation.grammar.german import (
    CASES,
    GENITIVE,
    NOMINATIVE,
    adjective_form,
    determiner_form,
    noun_form,
    question_pronoun,
    relative_pronoun,
)
from attnreport.tasks.translation.grammar.lexicon import Adverb, Determiner
from attnreport.tasks.translation.grammar.trees import (
    Adjunct,
    Couple,
    Description,
    Nominal,
    NounPhrase,
    Opening,
    Pronoun,
)
from attnreport.tasks.translation.grammar.words import EMPTY, Part, Translated, Word, joined, pair

_NO = Determiner("no", "no", "kein", "mixed")
_IT = {"m": ("er", "ihn", "ihm"), "f": ("sie", "sie", "ihr"), "n": ("es", "es", "ihm")}


def nominal(phrase: Nominal, case: int, denial: tuple[Word, ...] = ()) -> Part:
    """Subject or object in words, without a relative clause.

    Args:
        phrase: What to put into words.
        case: German case.
        denial: English words that `kein` translates, when the phrase carries the denial.
    """
    if isinstance(phrase, NounPhrase):
        return noun_phrase(phrase, case, denial)
    if isinstance(phrase, Couple):
        both = (noun_phrase(part, case) for part in (phrase.first, phrase.second))
        first, second = both
        return joined(first, pair("and", "und"), second)
    if isinstance(phrase, Pronoun):
        german = _IT[phrase.gender] if phrase.gender else phrase.word.german
        return pair(phrase.word.english[case != NOMINATIVE], german[case])
    return _opening(phrase, case)


def noun_phrase(phrase: NounPhrase, case: int, denial: tuple[Word, ...] = ()) -> Part:
    """Determiner, adjectives, noun and owner in words."""
    determiner = _NO if denial else phrase.determiner
    english = [Word(adjective.english) for adjective in phrase.adjectives]
    english.append(Word(phrase.noun.english_plural if phrase.plural else phrase.noun.english))
    gender = phrase.gender
    german = [
        Translated(adjective_form(adjective, determiner, case, gender), (word,))
        for adjective, word in zip(phrase.adjectives, english, strict=False)
    ]
    german.append(Translated(noun_form(phrase.noun, case, phrase.plural), (english[-1],)))
    article = _english_determiner(phrase, english[0].text)
    if determiner is not None:
        sources = (*denial, *article)
        german.insert(0, Translated(determiner_form(determiner, case, gender), sources))
    whole = Part([*article, *english], german)
    if phrase.owner is None:
        return whole
    owner = noun_phrase(phrase.owner, GENITIVE)
    return joined(whole, Part([Word("of"), *owner.english], owner.german))


def declines_kein(phrase: Nominal) -> bool:
    """Whether a denied clause denies this object, with `kein`, rather than its verb."""
    return (
        isinstance(phrase, NounPhrase)
        and phrase.owner is None
        and (phrase.determiner is None or phrase.determiner.english == "a")
    )


def prepositional(adjunct: Adjunct) -> Part:
    """Preposition and noun phrase in words, contracted where German does: `im`, `zur`."""
    preposition = adjunct.preposition
    inner = noun_phrase(adjunct.phrase, CASES[preposition.case])
    word = Word(preposition.english)
    first = inner.german[0]
    contracted = CONTRACTIONS.get((preposition.german, first.text))
    english = [word, *inner.english]
    if contracted:
        return Part(english, [Translated(contracted, (word, *first.sources)), *inner.german[1:]])
    return Part(english, [Translated(preposition.german, (word,)), *inner.german])


def description(about: Description) -> Part:
    """`tired`, `very tired` or `quicker than the hare` in words."""
    adjective = about.adjective
    if about.than is not None and adjective.comparative is not None:
        return joined(
            pair(*adjective.comparative),
            pair("than", "als"),
            noun_phrase(about.than, NOMINATIVE),
        )
    very = pair("very", "sehr") if about.very else EMPTY
    return joined(very, pair(adjective.english, adjective.german))


def adverb(word: Adverb) -> Part:
    """An adverb in words."""
    english = [Word(text) for text in word.english]
    german = [
        Translated(text, tuple(english[number] for number in numbers))
        for text, numbers in zip(word.german, word.links, strict=True)
    ]
    return Part(english, german)


def person_of(phrase: Nominal) -> str:
    """The person a verb agrees with: `i`, `third` or `plural`."""
    if isinstance(phrase, Pronoun):
        return phrase.word.person
    plural = isinstance(phrase, Couple) or (
        phrase.gender == "p" if isinstance(phrase, Opening) else phrase.plural
    )
    return "plural" if plural else "third"


def _english_determiner(phrase: NounPhrase, next_word: str) -> list[Word]:
    if phrase.determiner is None:
        return []
    plural, singular = phrase.determiner.english_plural, phrase.determiner.english
    text = plural if phrase.plural else singular
    return [Word("an" if text == "a" and next_word[0] in "aeiou" else text)]


def _opening(phrase: Opening, case: int) -> Part:
    english = phrase.english[case != NOMINATIVE]
    if phrase.question:
        return pair(english, question_pronoun(case, person=phrase.gender == "m"))
    return pair(english, relative_pronoun(case, phrase.gender))
