"""A cluster on one machine: processes of each kind, watched, for developers and the fault suite.

It starts the very processes that a cluster's pods run, on free ports, and looks at them from
outside only: their admin ports, their process ids. Nothing of it is part of a pod; every pod
passes through `tied.py`, so this file imports nothing.
"""
