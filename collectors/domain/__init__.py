"""Rules in plain Python: no framework, no input or output, so that each can be tested by calling it."""
