"""`python -m rheod` is the command `rheod`."""

import sys

from rheod.cli import main

sys.exit(main())
