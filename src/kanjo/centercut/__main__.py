"""A worker process; see `process`."""

import sys

from kanjo.centercut.process import main

sys.exit(main(sys.argv[1:]))
