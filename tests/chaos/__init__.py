"""Chaos: load on real servers while everything is killed at random, then the ledger."""
