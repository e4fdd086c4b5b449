"""Digits among clutter: networks that must find what they read, and whether they looked there."""
