"""Ports: what the turn pipeline asks of the world, one module per port.

A port is a ``Protocol`` that states its guarantees (delivery, order, atomicity, what a caller may
assume after each error). A backend is chosen by a URL. Driver errors never cross a port: an
adapter raises the errors of :mod:`tertulia.errors` only.
"""
