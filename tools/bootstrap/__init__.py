"""Everything `tools/test.py` needs before and while it runs the tests; standard library only."""
