"""Sentences as texts."""

from attnreport.tasks.translation.grammar import sentence_pair

WHO, WHICH, THAT = (("who", "whom"), ("which", "which"), ("that", "that"))


def texts(sentence) -> tuple[str, str]:
    pair = sentence_pair(sentence)
    return " ".join(pair.english), " ".join(pair.german)
