"""The program that torture runs in the place of `streamlake`: `command.py`, as words of a command line."""

import sys
from pathlib import Path

STREAMLAKE = (sys.executable, str(Path(__file__).with_name("command.py")))
