"""Let ``python -m cosem`` do what the ``cosem`` script does."""

from cosem.cli import main

main()
