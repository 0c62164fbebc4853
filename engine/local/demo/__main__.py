"""`python -m streamlake.engine.local.demo`, which is what `make demo` runs."""

import sys

from streamlake.engine.local.demo.tell import main

if __name__ == "__main__":
    sys.exit(main())
