"""``python -m scalable`` is the command line."""

from scalable.cli import main

main()
