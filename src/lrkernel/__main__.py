"""__main__ - `python -m lrkernel` is the command `lrkernel`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
