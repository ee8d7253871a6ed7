"""Backends of the embedding port: a small model in this process, or a server."""
