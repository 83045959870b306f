"""What agents call; the contract is docs/wire.md."""
