"""Reconciles `MessagingCluster` resources into gateways, routers, keys and push.

The resource (`spec.py`) and what the API and the pods say (`observed.py`) go into a pure plan
(`plan.py`); it asks for `actions.py`, which `apply.py`, the only writer, performs.
"""
