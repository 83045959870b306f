"""A fleet for the console to be measured on: made in bulk, alike for the same seed, not through agents and services.

One noun a file, each with the steps that fill its tables; `loading` runs them, `place` keeps a private PostgreSQL for them.
"""
