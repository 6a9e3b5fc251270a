"""A process of the long run: its callers, a loader, or a check; see `callers` and `errand`."""

import sys

from kanjo.soak import callers, errand

sys.exit((callers.main if sys.argv[1] == "callers" else errand.main)(sys.argv[2:]))
