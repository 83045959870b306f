"""What proves DBPower: the tree mirrors the code, and `servers` starts real database servers for it."""
