#!/usr/bin/env python3
"""The image's health check: 0 when STREAMLAKE_HEALTH_URL, or the URL that is given, answers 200; else 1 and why."""

import os
import sys
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

SECONDS = 4.0


def main() -> int:
    """Ask once."""
    url = sys.argv[1] if len(sys.argv) > 1 else os.environ["STREAMLAKE_HEALTH_URL"]
    try:
        # No proxy: the container asks itself.
        with build_opener(ProxyHandler({})).open(url, timeout=SECONDS):
            return 0
    except (URLError, OSError) as error:  # an answer of 503 is an URLError
        sys.stdout.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
