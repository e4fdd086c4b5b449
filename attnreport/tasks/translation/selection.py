"""Chooses test sentences that show what happens between the two languages."""

from collections.abc import Callable, Sequence

from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.grammar.lexicon import lexicon

_PREFIXES = frozenset(verb.prefix for verb in lexicon().verbs.values() if verb.prefix)
_JOINED = frozenset(verb.prefix + verb.third for verb in lexicon().verbs.values() if verb.prefix)
_PARTICIPLES = frozenset(verb.participle for verb in lexicon().verbs.values())


def choose_examples(pairs: Sequence[SentencePair], right: Sequence[bool]) -> list[SentencePair]:
    """Sentences with different things to see, each the first one of its kind.

    Kinds are tried in this order: a clause whose verb comes last, a separable verb split in two,
    the same in one word, a participle far from its auxiliary, a relative clause in the dative, an
    infinitive of purpose, a question, `kein`, a time that comes first, a pronoun with the gender
    of its noun, the longest of the others. Whether the model is right plays no part in that; the
    first sentence it got wrong comes at the end.

    Args:
        pairs: Sentence pairs.
        right: Whether the model translated each correctly.
    """
    chosen: list[SentencePair] = []
    for shows in _KINDS:
        fitting = (pair for pair in pairs if pair not in chosen and shows(pair))
        chosen.extend(list(fitting)[:1])
    others = (pair for pair in pairs if pair not in chosen)
    longest = max(others, key=lambda pair: len(pair.english), default=None)
    wrong = [pair for pair, is_right in zip(pairs, right, strict=True) if not is_right]
    for pair in (longest, *wrong[:1]):
        if pair is not None and pair not in chosen:
            chosen.append(pair)
    return chosen


def _verb_last(pair: SentencePair) -> bool:
    return "weil" in pair.german[3:] and len(pair.german) >= 11


def _split_verb(pair: SentencePair) -> bool:
    return pair.german[-1] in _PREFIXES and len(pair.german) >= 8


def _joined_verb(pair: SentencePair) -> bool:
    return pair.german[-1] in _JOINED and "dass" in pair.german


def _far_participle(pair: SentencePair) -> bool:
    return pair.german[-1] in _PARTICIPLES and len(pair.german) >= 9 and "," not in pair.german


def _dative_relative(pair: SentencePair) -> bool:
    pieces = set(zip(pair.german, pair.german[1:], strict=False))
    return "whom" in pair.english and bool(pieces & {(",", "dem"), (",", "denen")})


def _purpose(pair: SentencePair) -> bool:
    return "um" in pair.german and pair.german[-2] == "zu"


def _question(pair: SentencePair) -> bool:
    return pair.german[0] in ("wen", "wem", "warum") and len(pair.german) >= 8


def _denied_object(pair: SentencePair) -> bool:
    return any(word.startswith("kein") for word in pair.german) and len(pair.german) >= 7


def _time_first(pair: SentencePair) -> bool:
    return pair.german[0] in ("jeden", "am", "nachts") and len(pair.german) >= 8


def _gendered_pronoun(pair: SentencePair) -> bool:
    it = pair.english.index("it") if "it" in pair.english else None
    return it is not None and any(
        word in ("er", "sie") and sources == (it,)
        for word, sources in zip(pair.german, pair.links, strict=True)
    )


_KINDS: tuple[Callable[[SentencePair], bool], ...] = (
    _verb_last,
    _split_verb,
    _joined_verb,
    _far_participle,
    _dative_relative,
    _purpose,
    _question,
    _denied_object,
    _time_first,
    _gendered_pronoun,
)
