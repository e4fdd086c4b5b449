"""Digits among clutter: networks that have to find what they read, and whether they looked there."""
