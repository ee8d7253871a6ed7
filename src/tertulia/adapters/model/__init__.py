"""Models: scripted, any OpenAI-compatible server, and one that runs in this process."""
