"""The verbs that fit somewhere in a sentence."""

import functools

from attnreport.tasks.translation.grammar.lexicon import Verb, lexicon

_WEATHER = frozenset({"weather", "sky", "wind"})


@functools.cache
def all_verbs() -> tuple[Verb, ...]:
    """Every verb but those of the weather."""
    return tuple(verb for verb in lexicon().verbs.values() if not verb.subjects & _WEATHER)


@functools.cache
def weather_verbs() -> tuple[Verb, ...]:
    """`rain`, `snow`, `shine`, `blow`."""
    return tuple(verb for verb in lexicon().verbs.values() if verb.subjects & _WEATHER)


@functools.cache
def verbs_with_subject(classes: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs whose subject may be in one of the classes."""
    return tuple(verb for verb in all_verbs() if verb.subjects & classes)


@functools.cache
def verbs_with_object(classes: frozenset[str]) -> tuple[Verb, ...]:
    """The verbs with one object, in one of the classes, and nothing else they need."""
    return tuple(
        verb
        for verb in all_verbs()
        if len(verb.objects) == 1 and not verb.directions and verb.objects[0][1] & classes
    )


@functools.cache
def verbs_somewhere() -> tuple[Verb, ...]:
    """The verbs without an object that may have a place."""
    return tuple(verb for verb in all_verbs() if verb.places and not verb.objects)


@functools.cache
def verbs_of_motion() -> tuple[Verb, ...]:
    """The verbs without an object that have a direction and a person as subject."""
    return tuple(
        verb
        for verb in all_verbs()
        if verb.directions and not verb.objects and verb.subjects & {"person", "being"}
    )


@functools.cache
def verbs_that_extend() -> tuple[Verb, ...]:
    """What persons do on purpose, with something beside the verb, as in `to watch the birds`."""
    return tuple(
        verb
        for verb in all_verbs()
        if verb.subjects & {"person", "being"}
        and (verb.objects or verb.directions)
        and not verb.state
        and verb.english[0] not in ("lose", "forget", "hear")
    )
