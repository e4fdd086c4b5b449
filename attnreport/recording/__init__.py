"""The hinge: attention weights with what their positions mean. NumPy only."""

from attnreport.recording.attention_map import KINDS as KINDS
from attnreport.recording.attention_map import UNORDERED as UNORDERED
from attnreport.recording.attention_map import AttentionMap as AttentionMap
from attnreport.recording.attention_map import Kind as Kind
from attnreport.recording.attention_map import Weights as Weights
from attnreport.recording.axes import AXIS_TYPES as AXIS_TYPES
from attnreport.recording.axes import Axis as Axis
from attnreport.recording.axes import ChannelAxis as ChannelAxis
from attnreport.recording.axes import FrameAxis as FrameAxis
from attnreport.recording.axes import GridAxis as GridAxis
from attnreport.recording.axes import ItemAxis as ItemAxis
from attnreport.recording.axes import StepAxis as StepAxis
from attnreport.recording.axes import TokenAxis as TokenAxis
from attnreport.recording.axes import special_positions as special_positions
from attnreport.recording.checks import Check as Check
from attnreport.recording.checks import Checks as Checks
from attnreport.recording.checks import WorstCheck as WorstCheck
from attnreport.recording.checks import worst_checks as worst_checks
from attnreport.recording.from_arrays import recording_from_arrays as recording_from_arrays
from attnreport.recording.layers import layer_numbers as layer_numbers
from attnreport.recording.recording import Example as Example
from attnreport.recording.recording import Metric as Metric
from attnreport.recording.recording import Recording as Recording
from attnreport.recording.recording import Source as Source
