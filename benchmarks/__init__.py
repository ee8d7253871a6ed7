"""What Tertulia costs beside a bare relay: ``python -m benchmarks``; see docs/benchmarks.md."""
