"""Runs a model once, keeps its attention, and checks that nothing else changed."""

from attnreport.capture.capture import capture_attention as capture_attention
