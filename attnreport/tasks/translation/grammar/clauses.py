"""Puts a clause into words: the same phrases, in the word order of each language.

English keeps subject, verb, object. German puts the finite verb second in a main clause and last in
a subordinate one, and whatever else belongs to the verb (prefix, participle, infinitive) last in
both; between them stand pronouns, adverbs of time, objects, `nicht`, manner, and place.
"""

from typing import Literal, NamedTuple

from attnreport.tasks.translation.grammar.german import CASES, NOMINATIVE
from attnreport.tasks.translation.grammar.phrases import (
    adverb,
    declines_kein,
    description,
    nominal,
    person_of,
    prepositional,
)
from attnreport.tasks.translation.grammar.trees import (
    Clause,
    Couple,
    Nominal,
    NounPhrase,
    Opening,
    Pronoun,
    Relative,
)
from attnreport.tasks.translation.grammar.verb_forms import VerbWords, infinitive_words, verb_words
from attnreport.tasks.translation.grammar.words import EMPTY, Part, Translated, Word, joined, pair

# `continued`: a main clause after a subordinate one, which takes the place before the German verb.
Order = Literal["main", "continued", "question", "subordinate"]


class _Phrases(NamedTuple):
    """The phrases of a clause in words; what is not there is empty.

    `opening` is what stands before the finite verb in place of the subject, `denial` the German
    `nicht`, and `tail` a relative clause after everything else.
    """

    opening: Part
    subject: Part
    often: Part
    when: Part
    pronouns: Part
    objects: list[Part]
    denial: list[Translated]
    manner: Part
    place: Part
    description: Part
    tail: Part


def clause_words(clause: Clause, order: Order = "main", front: str = "", word: str = "") -> Part:
    """The clause in words.

    Args:
        clause: The clause; it has a subject.
        order: Its word order.
        front: `when` or `place`, to open a main clause with it.
        word: English and German word that opens a question, with a space between them.
    """
    subject = clause.subject
    if subject is None:
        raise ValueError("A clause without a subject is an infinitive.")
    inverted = order == "question" and not isinstance(subject, Opening)
    verb = verb_words(clause, person_of(subject), inverted)
    phrases = _phrases(clause, verb.denial)
    if word:
        phrases = phrases._replace(opening=pair(*word.split()))
    elif front == "when":
        phrases = phrases._replace(opening=phrases.when, when=EMPTY)
    elif front == "place":
        phrases = phrases._replace(opening=phrases.place, place=EMPTY)
    if order == "subordinate":
        german = _verb_last(verb, phrases)
    else:
        noun_subject = isinstance(subject, NounPhrase | Couple)
        german = _verb_second(verb, phrases, order != "main", noun_subject)
    return joined(Part(_english(verb, phrases, inverted), german), phrases.tail)


def infinitive_clause(clause: Clause, purpose: bool) -> Part:
    """The clause as an infinitive: `to open the door`, `, die tür aufzumachen`.

    Args:
        clause: A clause without a subject.
        purpose: Whether it says what for, which German opens with `um`.
    """
    english, german = infinitive_words(clause.verb)
    phrases = _phrases(clause, ())
    to = english[0]
    opening = [Translated(",", (to,)), *([Translated("um", (to,))] if purpose else [])]
    words = [*english, *_english_end(phrases)]
    return Part(words, [*opening, *phrases.pronouns.german, *_middle(phrases), *german])


def _relative_clause(relative: Relative, closed: bool) -> Part:
    """The clause after its noun, with a comma behind it if the sentence goes on (`closed`)."""
    inner = clause_words(relative.clause, "subordinate")
    if relative.commas:
        return joined(pair(",", ","), inner, pair(",", ",") if closed else EMPTY)
    comma = Translated(",", (inner.english[0],))
    return Part(inner.english, [comma, *inner.german])


def _phrases(clause: Clause, denial: tuple[Word, ...]) -> _Phrases:
    opening, pronouns, tail = EMPTY, EMPTY, EMPTY
    objects: list[Part] = []
    nicht = [Translated("nicht", denial)] if clause.negated else []
    for (case, _), phrase in zip(clause.verb.objects, clause.objects, strict=True):
        kein = bool(nicht) and declines_kein(phrase)
        part = nominal(phrase, CASES[case], denial if kein else ())
        nicht = [] if kein else nicht
        if isinstance(phrase, Opening):
            opening = part
        elif isinstance(phrase, Pronoun):
            pronouns = joined(pronouns, part)
        else:
            objects.append(part)
        if isinstance(phrase, NounPhrase) and phrase.relative is not None:
            tail = _relative_clause(phrase.relative, closed=False)
    subject = EMPTY if clause.subject is None else _subject(clause.subject)
    if isinstance(clause.subject, Opening):
        opening, subject = subject, EMPTY
    when = adverb(clause.when) if clause.when else EMPTY
    return _Phrases(
        opening=opening,
        subject=subject,
        often=when if clause.often else EMPTY,
        when=EMPTY if clause.often else when,
        pronouns=pronouns,
        objects=objects,
        denial=nicht,
        manner=adverb(clause.manner) if clause.manner else EMPTY,
        place=prepositional(clause.place) if clause.place else EMPTY,
        description=description(clause.description) if clause.description else EMPTY,
        tail=tail,
    )


def _subject(phrase: Nominal) -> Part:
    part = nominal(phrase, NOMINATIVE)
    if isinstance(phrase, NounPhrase) and phrase.relative is not None:
        return joined(part, _relative_clause(phrase.relative, closed=True))
    return part


def _english(verb: VerbWords, phrases: _Phrases, inverted: bool) -> list[Word]:
    subject = phrases.subject.english
    before = [*verb.auxiliary, *subject] if inverted else [*subject, *verb.auxiliary]
    middle = [*before, *verb.negation, *phrases.often.english, *verb.lexical]
    return [*phrases.opening.english, *middle, *_english_end(phrases)]


def _english_end(phrases: _Phrases) -> list[Word]:
    after = (phrases.description, phrases.manner, phrases.place, phrases.when)
    parts = (phrases.pronouns, *phrases.objects, *after)
    return [word for part in parts for word in part.english]


def _verb_second(
    verb: VerbWords, phrases: _Phrases, verb_first: bool, noun_subject: bool
) -> list[Translated]:
    opening, subject, pronouns = (
        part.german for part in (phrases.opening, phrases.subject, phrases.pronouns)
    )
    end = [*_middle(phrases), *verb.rest]
    if not opening and not verb_first:
        return [*subject, verb.finite, *pronouns, *end]
    # Behind the verb a pronoun comes before a noun: `heute hilft ihm die frau`.
    both = [*pronouns, *subject] if noun_subject else [*subject, *pronouns]
    return [*opening, verb.finite, *both, *end]


def _verb_last(verb: VerbWords, phrases: _Phrases) -> list[Translated]:
    front = [*phrases.opening.german, *phrases.subject.german, *phrases.pronouns.german]
    return [*front, *_middle(phrases), *verb.final]


def _middle(phrases: _Phrases) -> list[Translated]:
    """What stands between the pronouns and the verbs at the end.

    With two objects an adverb of time stands between them, otherwise before the one.
    """
    times = (phrases.often, phrases.when)
    before = [word for part in (*phrases.objects[:-1], *times) for word in part.german]
    last = [word for part in phrases.objects[-1:] for word in part.german]
    after = (phrases.manner, phrases.place, phrases.description)
    return [*before, *last, *phrases.denial, *(word for part in after for word in part.german)]
