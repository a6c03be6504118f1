"""Groups, as the owners of shards see them (rules G1–G7 of protos/protocol.md).

The owner of a group's shard orders what its members write: `logs` brings a group into memory,
`sends` takes messages into its log, `fan_out` brings what is durable there to the owners of its
members' shards; `copies` is the other end: it takes them into members' inboxes.
"""
