"""Tertulia: a self-hosted chat system whose answers cannot be lost."""

__version__ = "0.1.0"
