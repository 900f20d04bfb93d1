"""Pictures with labels, whatever dataset they are of: read, listed, checked, kept decoded, downloaded.

Nothing here knows a dataset by name; each is a module of `dbb.benchmarks`.
"""
