"""Deployment files: linted, and as far as it goes without a container engine, carried out."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
AGENT = REPOSITORY / "agent"
