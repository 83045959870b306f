"""`python -m dbpower_agent` is the same program as the console script `dbpower-agent`."""

import sys

from dbpower_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
