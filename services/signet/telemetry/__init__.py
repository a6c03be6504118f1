"""Metrics, logs, and the pages that say whether a process is well."""
