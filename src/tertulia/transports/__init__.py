"""What clients speak: HTTP, server-sent events and the feed, over one ASGI application.

Around every request, outermost first: `observe` (request id, access log, the last resort) ·
`guard` (Host and Origin) · `body` (how much, and of what type). Then `app` routes it.
"""
