"""The words of the storybook language that are not nouns, verbs or adjectives, as tables."""

# English singular, English plural | German stem | how it and the adjectives after it decline.
DETERMINERS = """
the the     | d       | definite
this these  | dies    | strong
every -     | jed     | strong
a -         | ein     | mixed
my my       | mein    | mixed
his his     | sein    | mixed
her her     | ihr     | mixed
our our     | unser   | mixed
- all       | all     | strong
- some      | einig   | parallel
- many      | viel    | parallel
- two       | zwei    | none
- three     | drei    | none
"""

# English subject, object | German nominative, accusative, dative | person.
PRONOUNS = """
i me     | ich mich mir  | i
he him   | er ihn ihm    | third
she her  | sie sie ihr   | third
we us    | wir uns uns   | plural
they them | sie sie ihnen | plural
it it    | es es ihm     | third
"""

# English | German | case that the German preposition takes here.
PREPOSITIONS = """
in     | in     | dat
on     | auf    | dat
under  | unter  | dat
behind | hinter | dat
beside | neben  | dat
at     | an     | dat
by     | an     | dat
with   | mit    | dat
from   | aus    | dat
to     | zu     | dat
for    | für    | acc
into   | in     | acc
onto   | auf    | acc
over   | über   | acc
through | durch | acc
around | um     | acc
"""

# `under` and `behind` name a place, in the dative, or a direction, in the accusative.
DIRECTIONS = """
under  | unter  | acc
behind | hinter | acc
"""

# Preposition and article in one word.
CONTRACTIONS = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
}

# English | German | for each German word the numbers of the English words it translates.
ADVERBS = """
often          | oft         | 0
always         | immer       | 0
never          | nie         | 0
sometimes      | manchmal    | 0
today          | heute       | 0
now            | jetzt       | 0
tomorrow       | morgen      | 0
every day      | jeden tag   | 0 1
every morning  | jeden morgen | 0 1
in the evening | am abend    | 0,1 2
at night       | nachts      | 0,1
quietly        | leise       | 0
loudly         | laut        | 0
happily        | fröhlich    | 0
quickly        | schnell     | 0
slowly         | langsam     | 0
carefully      | vorsichtig  | 0
"""

# Which adverbs of manner fit a verb, by the kind that the table of verbs names.
MANNERS = {
    "sound": ("quietly", "loudly", "happily"),
    "motion": ("quickly", "slowly", "quietly"),
    "work": ("carefully", "quickly", "quietly"),
}
FREQUENCIES = {"present": ("often", "always", "never", "sometimes"), "perfect": ("often", "never")}
TIMES = {
    "present": ("today", "now", "every day", "every morning", "in the evening", "at night"),
    "perfect": ("today",),
    "future": ("today", "tomorrow", "in the evening"),
    "modal": ("today", "now", "every day", "in the evening", "at night"),
}

# English words after which a clause ends in its verb, and their German counterparts.
CONJUNCTIONS = {
    "because": "weil",
    "although": "obwohl",
    "while": "während",
    "when": "wenn",
    "before": "bevor",
    "until": "bis",
}
COORDINATORS = {"and": "und", "but": "aber"}
QUESTION_WORDS = {"where": "wo", "when": "wann", "why": "warum", "whether": "ob"}
