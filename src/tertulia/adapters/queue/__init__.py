"""Queues: what rings the workers.

What becomes of a ring that was taken by a process that dies before it acknowledges, and of those
that wait when the broker itself is restarted:

============  ===============================  ===================================================
kind          taken, not acknowledged          waiting, and the broker restarts
============  ===============================  ===================================================
memory        gone with its one process        gone with it; rung again from the store at the start
Redis         another's after ``hold``         kept as far as Redis keeps its data (appendonly)
RabbitMQ      another's at once                kept
NATS          another's after ``hold``         kept
Kafka         another's after the session's    kept
              ten seconds, unless a later
              ring of the same partition was
              acknowledged before: then the
              sweeper rings again
============  ===============================  ===================================================

The sweeper makes up for all of these, so none is a promise that a turn rests upon.
"""
