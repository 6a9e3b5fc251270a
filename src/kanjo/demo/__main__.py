"""The customers' process; see `customers`."""

import sys

from kanjo.demo.customers import main

sys.exit(main(sys.argv[1:]))
