"""A process of a bench; see `hired`."""

import sys

from kanjo.bench.hired import main

sys.exit(main())
