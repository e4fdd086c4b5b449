"""Writes programs down as scripts, small and without anybody's numbers, to report failures with."""

from attnreport.capture.reproduction.reproduction import Reproduction as Reproduction
from attnreport.capture.reproduction.reproduction import reproduction_of as reproduction_of
