"""What is worth knowing about a group of heads, in plain sentences with a numeral first."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

from attnreport.analysis.alignment import alignment_links
from attnreport.analysis.patterns.patterns import DOMINANT, SHARP, pattern_title
from attnreport.analysis.reading.heads import HeadStatistics, group_statistics
from attnreport.analysis.reading.jumps import longest_jump
from attnreport.analysis.reading.links import Link, agreed_link, content_positions, later_maps
from attnreport.analysis.reading.starting import clearest_head
from attnreport.analysis.words import noun_of, quoted_label
from attnreport.recording import AttentionMap, Metric, TokenAxis, layer_numbers

# So many heads are named in a sentence; more are counted.
_MOST_NAMES = 4
# A link is told from this share of a token's attention on.
_TELLING_LINK = 0.2


@dataclasses.dataclass(frozen=True)
class Finding:
    """One sentence about the attention: `value` and `text` read together.

    Texts contain tokens as they are, so whoever writes them into HTML escapes them.

    Attributes:
        value: The numeral or the name that is printed large, such as `30 of 72`.
        text: The rest of the sentence, without a full stop.
        head: Group, place of the map among those given, and head that the sentence is about, if
            it is about one.
        cell: Query and key that the sentence is about, if it is about one weight.
        detail: A second sentence for small print; empty if there is none.
    """

    value: str
    text: str
    head: tuple[str, int, int] | None = None
    cell: tuple[int, int] | None = None
    detail: str = ""


def findings(
    maps: Sequence[AttentionMap],
    statistics: Sequence[HeadStatistics] | None = None,
    *,
    metrics: Sequence[Metric] = (),
    more: Sequence[Finding] = (),
    place: str = "",
    limit: int = 4,
) -> list[Finding]:
    """The most telling sentences about one group of maps of one example, best first.

    Layers have the numbers of `layer_numbers`, heads count from 0. Percentages are rounded to
    whole numbers.

    Args:
        maps: The maps of one group, in the order of their layers.
        statistics: What `group_statistics` says about them, if it is at hand.
        metrics: Numbers over a whole data set that are about this group; at most two are told.
        more: What else is known of these maps; it is told after the numbers.
        place: What the maps are of, such as `test 3`, for the small print of what is said of them;
            a number over a whole data set is of more.
        limit: How many sentences at most.
    """
    told = [_metric(metric) for metric in metrics if math.isfinite(metric.value)][:2]
    found = _about_maps(maps, statistics)
    small = f"In {place}." if place else ""
    return [*told, *more, *(dataclasses.replace(each, detail=small) for each in found)][:limit]


def _about_maps(
    maps: Sequence[AttentionMap], statistics: Sequence[HeadStatistics] | None
) -> list[Finding]:
    heads = group_statistics(maps) if statistics is None else list(statistics)
    choosing = [head for head in heads if head.pattern != "no choice"]
    if all(attention.kind == "activation" for attention in maps):
        return []
    gates = all(attention.kind == "gate" for attention in maps)
    if gates and any(head.greatest > 0 for head in heads):
        return [_strengths(maps, heads)]
    if not choosing:
        return [_no_choice(maps)]
    group = _Group(maps, heads, choosing)
    candidates = (
        group.alignment(),
        group.jump(),
        group.sink(),
        group.sharpest(),
        group.link(),
        group.neighbors(),
        group.broad(),
    )
    return [finding for finding in candidates if finding]


def _metric(metric: Metric) -> Finding:
    value = f"{100 * metric.value:.3g}%" if metric.percent else f"{metric.value:.3g}"
    return Finding(value, metric.name, detail=metric.detail)


def _strengths(maps: Sequence[AttentionMap], heads: Sequence[HeadStatistics]) -> Finding:
    """How far the strengths of a gate differ, and where the greatest is."""
    strongest = max(heads, key=lambda head: head.greatest)
    attention = maps[strongest.layer]
    least = min(head.least for head in heads)
    axis, place = attention.key, strongest.top_key
    text = f"is how strong the gate is; {quoted_label(axis, place)} is let through most"
    return Finding(
        f"{least:.2f} to {strongest.greatest:.2f}",
        text,
        (attention.group, strongest.layer, strongest.head),
    )


def _no_choice(maps: Sequence[AttentionMap]) -> Finding:
    """Says why there is nothing to say about the heads."""
    if any(attention.head(head).any() for attention in maps for head in range(attention.heads)):
        return Finding("0 bits", "of entropy: no row looks at more than one position")
    return Finding("0 rows", "attend to anything: every weight is 0")


def _right_words(attention: AttentionMap, head: int) -> tuple[int, int]:
    """How many words with a reference look most at a key it links, and how many there are.

    Markers and punctuation stand in the same order in most languages, so they would flatter.
    """
    if attention.reference is None:
        return 0, 0
    reference = attention.reference[content_positions(attention.query)]
    links = alignment_links(attention.head(head))[content_positions(attention.query)]
    return int((links & reference).any(axis=-1).sum()), int(reference.any(axis=-1).sum())


class _Group:
    """The sentences about one group. Each is None where it would not be true or not be news."""

    def __init__(
        self,
        maps: Sequence[AttentionMap],
        heads: Sequence[HeadStatistics],
        choosing: Sequence[HeadStatistics],
    ):
        self.maps = maps
        self.heads = heads
        self.choosing = choosing
        self.total = len(heads)
        self.numbers = layer_numbers(maps)

    def alignment(self) -> Finding | None:
        """How many words look at the word they translate."""
        clearest = clearest_head(self.maps, self.heads)

        def quality(head: HeadStatistics) -> tuple[int, bool]:
            return _right_words(self.maps[head.layer], head.head)[0], head == clearest

        best = max(self.choosing, key=quality)
        attention = self.maps[best.layer]
        right, count = _right_words(attention, best.head)
        if count == 0 or attention.kind != "cross":
            return None
        text = "word looks at the word it translates"
        if count > 1:
            text = "words look at the word they translate"
        if self.total > 1:
            text += f" in {self._name(best)}, the head that does it best"
        return Finding(f"{right} of {count}", text, self._address(best))

    def jump(self) -> Finding | None:
        """Which word looks furthest from where the word before it looked."""
        best = clearest_head(self.maps, self.heads)
        if best.distance is not None or best.normalized_entropy > SHARP:
            return None
        attention = self.maps[best.layer]
        jump = longest_jump(attention.head(best.head), attention)
        if jump is None:
            return None
        size = abs(jump.length)
        steps = f"{size} {noun_of(attention.key, size)} {'back' if jump.length < 0 else 'ahead'}"
        text = (
            f"is the longest jump: {quoted_label(attention.query, jump.query_before)} looks at "
            f"{quoted_label(attention.key, jump.key_before)}, then "
            f"{quoted_label(attention.query, jump.query)} looks at "
            f"{quoted_label(attention.key, jump.key)}"
        )
        return Finding(steps, text, self._address(best), (jump.query, jump.key))

    def sink(self) -> Finding | None:
        """How many heads look mostly at one and the same position."""
        # Causal heads that spread evenly give much to the first positions too: early rows see
        # nothing else.
        pulled = [h for h in self.choosing if h.top_share >= DOMINANT and h.pattern != "broad"]
        if not pulled:
            return None
        keys = Counter(head.top_key for head in pulled)
        key, count = min(keys.items(), key=lambda item: (-item[1], item[0]))
        drawn = [head for head in pulled if head.top_key == key]
        axis = self.maps[drawn[0].layer].key
        place = quoted_label(axis, key)
        if count == 1:
            share = _percent(drawn[0].top_share)
            if self.total == 1:
                # What has a single row may be computed from attention, or be none at all.
                rows = len(self.maps[0].query)
                text = (
                    f"of {'the weight lies on' if rows == 1 else 'all attention goes to'} {place}"
                )
                return Finding(share, text, self._address(drawn[0]))
            text = f"puts {share} of its attention on {place}"
            return Finding(self._name(drawn[0]), text, self._address(drawn[0]))
        text = (
            f"heads put at least {_percent(DOMINANT)} of their attention on {place}, more than on "
            f"any other {noun_of(axis, 1)}"
        )
        return Finding(f"{count} of {self.total}", text)

    def sharpest(self) -> Finding | None:
        """Which head has the lowest entropy, unless even that one is broad."""
        sharpest = min(self.choosing, key=lambda head: head.entropy)
        if self.total == 1:
            most = sharpest.entropy / sharpest.normalized_entropy if sharpest.entropy else None
            text = "is the mean entropy of a row"
            if most:
                text += f"; looking everywhere equally would be {most:.2f} bits"
            return Finding(f"{sharpest.entropy:.2f} bits", text, self._address(sharpest))
        if sharpest.pattern == "broad":
            return None
        text = f"is the sharpest head: entropy {sharpest.entropy:.2f} bits"
        share = _pattern_share(sharpest)
        if share is not None:
            name = pattern_title(sharpest.pattern, self.maps[sharpest.layer].key)
            text += f" ({name}, {_percent(share)})"
        return Finding(self._name(sharpest), text, self._address(sharpest))

    def link(self) -> Finding | None:
        """Which two words the heads connect most, in self-attention."""
        link = agreed_link(self.maps) if self.choosing[0].distance is not None else None
        if link is None or link.weight < _TELLING_LINK:
            return None
        linked = self.maps[link.layer]
        if linked.kind == "gate" or not linked.normalized:  # then a weight is no share of a row
            return None
        axis = self.maps[0].key
        nouns = "words" if isinstance(axis, TokenAxis) else noun_of(axis, 2)
        later = len(later_maps(self.maps))
        if later == len(self.maps):
            connect = "this head connects" if self.total == 1 else "the heads connect"
        else:
            connect = "the last layer connects" if later == 1 else "the later layers connect"
        text = (
            f"of the attention of {quoted_label(axis, link.query)} goes to "
            f"{quoted_label(axis, link.key)} in {self._name(link)}, the two {nouns}, "
            f"neighbors aside, that {connect} most"
        )
        address = self.maps[link.layer].group, link.layer, link.head
        return Finding(_percent(link.weight), text, address, (link.query, link.key))

    def neighbors(self) -> Finding | None:
        """How many heads look mostly at the position before or after."""
        found = [h for h in self.choosing if h.pattern in ("previous token", "next token")]
        if not found or self.total == 1:
            return None
        before = any(head.pattern == "previous token" for head in found)
        after = any(head.pattern == "next token" for head in found)
        side = (
            "just before or after"
            if before and after
            else "just before"
            if before
            else "just after"
        )
        noun = noun_of(self.maps[0].key, 1)
        if len(found) == 1:
            share = _percent(_pattern_share(found[0]) or 0)
            text = f"looks mostly at the {noun} {side} ({share})"
            return Finding(self._name(found[0]), text, self._address(found[0]))
        text = f"heads look mostly at the {noun} {side}: {self._names(found)}"
        return Finding(f"{len(found)} of {self.total}", text)

    def broad(self) -> Finding | None:
        """How many heads spread their attention over nearly everything."""
        found = [head for head in self.choosing if head.pattern == "broad"]
        if not found or self.total == 1:
            return None
        if len(found) == 1:
            text = f"spreads its attention broadly: entropy {found[0].entropy:.2f} bits"
            return Finding(self._name(found[0]), text, self._address(found[0]))
        text = "heads spread their attention broadly"
        layer, count = Counter(head.layer for head in found).most_common(1)[0]
        if len(self.maps) > 1 and 2 * count > len(found):
            amount = "all" if count == len(found) else "most"
            text += f", {amount} of them in layer {self.numbers[layer]}"
        return Finding(f"{len(found)} of {self.total}", text)

    def _address(self, head: HeadStatistics) -> tuple[str, int, int]:
        return self.maps[head.layer].group, head.layer, head.head

    def _name(self, head: HeadStatistics | Link) -> str:
        return f"L{self.numbers[head.layer]} H{head.head}"

    def _names(self, heads: Sequence[HeadStatistics]) -> str:
        names = ", ".join(self._name(head) for head in heads[:_MOST_NAMES])
        more = len(heads) - _MOST_NAMES
        return f"{names} and {more} more" if more > 0 else names


def _pattern_share(head: HeadStatistics) -> float | None:
    """How much attention follows the head's pattern, where the pattern is a place."""
    return {
        "previous token": head.previous,
        "next token": head.next,
        "itself": head.itself,
        "first token": head.first,
        "last token": head.last,
        "special tokens": head.special,
        "one token": head.top_share,
    }.get(head.pattern)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
