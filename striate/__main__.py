"""``python -m striate`` is the command ``striate``."""

import sys

from striate.cli.main import main

sys.exit(main())
