"""The DBPower agent: reads slow statements from one database server and sends them to the control plane."""

__version__ = "0.1.0"
