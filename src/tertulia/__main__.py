"""``python -m tertulia``: the command line."""

from tertulia.cli import main

main()
