"""`python -m rheod` is the command `rheod`."""

import sys

from rheod.cli.main import main

sys.exit(main())
