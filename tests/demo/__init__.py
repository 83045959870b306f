"""The demo: the whole of DBPower on one machine, with two live databases. `python -m tests.demo`, or `make demo`."""
