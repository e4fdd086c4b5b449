"""From a recording to numbers and plain sentences about it. NumPy only."""

from attnreport.analysis.alignment import alignment_error_rate as alignment_error_rate
from attnreport.analysis.alignment import alignment_links as alignment_links
from attnreport.analysis.alignment import corpus_alignment_error_rate as corpus_alignment_error_rate
from attnreport.analysis.distance import mean_distance as mean_distance
from attnreport.analysis.entropy import entropy as entropy
from attnreport.analysis.faithfulness import comprehensiveness as comprehensiveness
from attnreport.analysis.faithfulness import deletion_curve as deletion_curve
from attnreport.analysis.faithfulness import heaviest_first as heaviest_first
from attnreport.analysis.faithfulness import random_deletion_curve as random_deletion_curve
from attnreport.analysis.findings import Finding as Finding
from attnreport.analysis.findings import findings as findings
from attnreport.analysis.heads import HeadStatistics as HeadStatistics
from attnreport.analysis.heads import group_statistics as group_statistics
from attnreport.analysis.patterns import PATTERNS as PATTERNS
from attnreport.analysis.patterns import pattern_title as pattern_title
from attnreport.analysis.ranking import best_precision_at as best_precision_at
from attnreport.analysis.ranking import precision_at as precision_at
from attnreport.analysis.rollout import rollout as rollout
from attnreport.analysis.starting import starting_point as starting_point
from attnreport.analysis.words import display_label as display_label
from attnreport.analysis.words import display_labels as display_labels
from attnreport.analysis.words import display_text as display_text
from attnreport.analysis.words import noun_of as noun_of
from attnreport.analysis.words import visible_text as visible_text
from attnreport.analysis.words import word_spans as word_spans
