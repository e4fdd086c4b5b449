"""The text of a generation, and what tells the rows of its steps from other attention."""

import dataclasses
from collections.abc import Sequence

from attnreport._errors import InvalidAttentionError
from attnreport.recording.attention_map import AttentionMap
from attnreport.recording.axes import TokenAxis
from attnreport.recording.generation import Generation
from attnreport.recording.labels import SPECIAL_TOKENS, numbered


@dataclasses.dataclass(frozen=True)
class ReadText:
    """Prompt and output of one example.

    Attributes:
        tokens: All tokens.
        special: Positions of markers.
        prompt: How many tokens the prompt has.
    """

    tokens: tuple[str, ...]
    special: tuple[int, ...]
    prompt: int

    @classmethod
    def of(cls, prompt: TokenAxis | None, written: Generation) -> "ReadText":
        """The text of a prompt and what was written after it; None for no prompt."""
        before = () if prompt is None else prompt.tokens
        special = () if prompt is None else prompt.special
        markers = (
            len(before) + place
            for place, token in enumerate(written.tokens)
            if token in SPECIAL_TOKENS
        )
        return cls((*before, *written.tokens), (*special, *markers), len(before))

    @property
    def first_step(self) -> int:
        """The row that wrote the first token, if the rows begin with the text."""
        return max(self.prompt - 1, 0)

    @property
    def least(self) -> int:
        """Fewest rows that can have written it."""
        return len(self.tokens) - min(self.prompt, 1)

    def fits(self, first: int, end: int) -> bool:
        """Whether the rows of the tokens from `first` to before `end` can have written it."""
        return self.prompt > 0 and first <= self.first_step and self.least <= end

    def axis(self, first: int, end: int) -> TokenAxis:
        """Some of its positions."""
        special = tuple(place - first for place in self.special if first <= place < end)
        return TokenAxis(self.tokens[first:end], special)


@dataclasses.dataclass(frozen=True)
class StepSigns:
    """What tells the steps of the generation from other attention.

    Attributes:
        ends: Before which token of its text an example may end: the last row is that of the last
            token or of the one before it.
        named: Maps that `layers` names, so that they are steps whatever they look like.
        alone: Whether there is one example, so that none can have ended before the others.
    """

    ends: frozenset[int]
    named: frozenset[str]
    alone: bool

    def leave(self, pieces: Sequence[AttentionMap], text: ReadText, first: int) -> bool:
        """Whether a single map, whose first row would be that of token `first`, has no steps."""
        if len(pieces) > 1 or pieces[0].name in self.named:
            return False
        labels = pieces[0].query.labels
        words = text.tokens[first : first + len(labels)]
        known = labels in (numbered(len(labels)).labels, (*words, *labels[len(words) :]))
        return not known or first + len(labels) not in self.ends

    def require_no_more(self, place: str, text: ReadText, end: int) -> None:
        """Raises if rows are left over, of which nothing tells where they stand."""
        if self.alone and end > len(text.tokens):
            raise InvalidAttentionError(
                f"{place} has rows for {end} tokens, and the text has {len(text.tokens)}: "
                f"{text.prompt} of the prompt and {len(text.tokens) - text.prompt} that were "
                "written. Rows of padding before the prompt cannot be told from rows after its "
                "end. Give all tokens that were read, padding and what came after the end included."
            )
