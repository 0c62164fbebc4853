"""What the forkserver imports last: from here on, what it has imported stays shared between all workers.

The collector writes into every object it looks at; frozen ones it leaves alone, and their pages are never copied.
"""

import gc

gc.collect()
gc.freeze()
gc.enable()  # `engine/preload.py` had it off
