"""Queues: what rings the workers."""
