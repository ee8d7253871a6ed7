"""What all adapters that live in Redis share: connections, pipelines, routes and channels.

Ours and not redis-py's, over the same parser (hiredis), because of what an append costs: see
docs/adr/0016-redis-is-spoken-to-by-our-own-few-lines.md.
"""
