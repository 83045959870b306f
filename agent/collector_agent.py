"""Start the agent from a checkout: `python collector_agent.py --config config.json`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from dbpower_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
