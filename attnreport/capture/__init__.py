"""Runs a program once, keeps its attention, and checks that nothing else changed."""

from attnreport.capture.capture import capture_attention as capture_attention
from attnreport.capture.choice.options import Options as Options
from attnreport.capture.interventions.gradients import attention_gradients as attention_gradients
from attnreport.capture.interventions.heads import ablate_heads as ablate_heads
from attnreport.capture.interventions.heads import with_scaled_heads as with_scaled_heads
from attnreport.capture.reproduction import reproduction_of as reproduction_of
from attnreport.capture.transformation import plan_attention as plan_attention
from attnreport.capture.transformation import with_attention as with_attention
