"""Event logs, and the fan-out within a process that they share."""
