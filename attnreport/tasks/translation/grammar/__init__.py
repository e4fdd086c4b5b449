"""A small storybook language: English and German sentences that mean the same, with links."""

from attnreport.tasks.translation.grammar.choosing import Chooser as Chooser
from attnreport.tasks.translation.grammar.sampling import SentenceSampler as SentenceSampler
from attnreport.tasks.translation.grammar.sentences import SentencePair as SentencePair
from attnreport.tasks.translation.grammar.sentences import sentence_pair as sentence_pair
