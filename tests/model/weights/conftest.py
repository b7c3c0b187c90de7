"""Lets the tests of this folder import the tiny models that all tests share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
