"""What every process of a cluster has: settings to stores, a record among the members, an admin
port, signals, TLS. The services are on top of it.
"""
