"""Attention inside fused kernels."""
