"""``python -m edgebench_report`` is the command ``edgebench-report``."""

import sys

from edgebench_report.cli import main

if __name__ == "__main__":
    sys.exit(main())
