"""The subcommand `doctor`: looks at everything the agent needs and says how to mend what is wrong."""
