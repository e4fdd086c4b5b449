"""The words of a verb in both languages: auxiliaries, forms, particles, separable prefixes."""

from typing import NamedTuple

from attnreport.tasks.translation.grammar.lexicon import Verb
from attnreport.tasks.translation.grammar.trees import Clause, Tense
from attnreport.tasks.translation.grammar.words import Translated, Word

BE = Verb(("be", "is", "been"), "", "sein", "ist", "bin", "gewesen", "", "ist")

# Tenses whose denial is the same in both languages; *must not* is not *muss nicht*.
DENIABLE: frozenset[Tense] = frozenset({"present", "perfect", "future", "can", "wants"})

# Each form for the first person, the third person, and the plural.
_PERSONS = {"i": 0, "third": 1, "plural": 2}
_HAVE = ("have", "has", "have")
_DO = ("do", "does", "do")
_BE = ("am", "is", "are")
_GERMAN = {
    "hat": ("habe", "hat", "haben"),
    "ist": ("bin", "ist", "sind"),
    "future": ("werde", "wird", "werden"),
    "can": ("kann", "kann", "können"),
    "must": ("muss", "muss", "müssen"),
    "wants": ("will", "will", "wollen"),
    "should": ("soll", "soll", "sollen"),
    "may": ("darf", "darf", "dürfen"),
}


class VerbWords(NamedTuple):
    """The words of a verb, by the places they take.

    Attributes:
        auxiliary: English words before the subject of a question, and before `negation`.
        negation: English `not`, if it is a word of its own.
        lexical: The other English words.
        finite: The German form that stands second in a main clause.
        rest: German words at the end of a main clause: prefix, participle or infinitive.
        final: German words at the end of a subordinate clause.
        denial: The English words that German `nicht` or `kein` translates.
    """

    auxiliary: list[Word]
    negation: list[Word]
    lexical: list[Word]
    finite: Translated
    rest: list[Translated]
    final: list[Translated]
    denial: tuple[Word, ...]


def verb_words(clause: Clause, person: str, inverted: bool) -> VerbWords:
    """The words of the clause's verb.

    Args:
        clause: The clause.
        person: Of the subject: `i`, `third` or `plural`.
        inverted: Whether English puts the verb before the subject, as in questions.
    """
    number = _PERSONS[person]
    verb, tense = clause.verb, clause.tense
    if tense == "present":
        return _present(clause, number, inverted)
    if tense == "wants":
        return _wants(clause, number, inverted)
    english = "will" if tense == "future" else _HAVE[number] if tense == "perfect" else tense
    auxiliary = Word(english)
    negation = [Word("not")] if clause.negated else []
    if clause.negated and tense == "can":
        auxiliary, negation = Word("cannot"), []
    lexical = _lexical(verb, verb.english[2 if tense == "perfect" else 0])
    german = _GERMAN[verb.auxiliary if tense == "perfect" else tense][number]
    form = verb.participle if tense == "perfect" else verb.infinitive
    finite = Translated(german, (auxiliary,))
    rest = [Translated(form, tuple(lexical))]
    denial = tuple(negation or [auxiliary])
    return VerbWords([auxiliary], negation, lexical, finite, rest, [*rest, finite], denial)


def infinitive_words(verb: Verb) -> tuple[list[Word], list[Translated]]:
    """English `to open`, German `zu öffnen`, or `aufzumachen` where a prefix takes `zu` in."""
    to = Word("to")
    lexical = _lexical(verb, verb.english[0])
    if verb.prefix:
        form = verb.prefix + "zu" + verb.infinitive.removeprefix(verb.prefix)
        return [to, *lexical], [Translated(form, (to, *lexical))]
    return [to, *lexical], [Translated("zu", (to,)), Translated(verb.infinitive, tuple(lexical))]


def _present(clause: Clause, number: int, inverted: bool) -> VerbWords:
    verb = clause.verb
    negation = [Word("not")] if clause.negated else []
    if verb is BE:
        auxiliary = Word(_BE[number])
        finite = Translated(_GERMAN["ist"][number], (auxiliary,))
        return VerbWords([auxiliary], negation, [], finite, [], [finite], tuple(negation))
    support = [Word(_DO[number])] if inverted or clause.negated else []
    third = number == 1 and not support
    lexical = _lexical(verb, verb.english[1 if third else 0])
    finite, rest, final = _separated(verb, number, lexical)
    return VerbWords(support, negation, lexical, finite, rest, final, tuple(negation))


def _separated(
    verb: Verb, number: int, lexical: list[Word]
) -> tuple[Translated, list[Translated], list[Translated]]:
    """The finite form, what stands at the end of a main clause, and of a subordinate one."""
    form = (verb.first, verb.third, verb.infinitive.removeprefix(verb.prefix))[number]
    if not verb.prefix:
        finite = Translated(form, tuple(lexical))
        return finite, [], [finite]
    finite = Translated(form, (lexical[0],))
    # `picks up` is `hebt … auf` word by word; `opens` is `macht` and `auf` both.
    prefix = Translated(verb.prefix, (lexical[-1],))
    return finite, [prefix], [Translated(verb.prefix + form, tuple(lexical))]


def _wants(clause: Clause, number: int, inverted: bool) -> VerbWords:
    """`wants to sleep`, which English treats as a full verb and German as a modal one."""
    verb = clause.verb
    negation = [Word("not")] if clause.negated else []
    support = [Word(_DO[number])] if inverted or clause.negated else []
    wants = Word("wants" if number == 1 and not support else "want")
    lexical = _lexical(verb, verb.english[0])
    finite = Translated(_GERMAN["wants"][number], (wants,))
    rest = [Translated(verb.infinitive, tuple(lexical))]
    english = [wants, Word("to"), *lexical]
    return VerbWords(support, negation, english, finite, rest, [*rest, finite], tuple(negation))


def _lexical(verb: Verb, form: str) -> list[Word]:
    return [Word(form), Word(verb.particle)] if verb.particle else [Word(form)]
