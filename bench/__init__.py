"""Benchmarks that anyone can run: `python -m bench NAME`. Never part of the test suite."""
