"""Let ``python -m cosem.cli`` do what the ``cosem`` script does."""

from cosem.cli import main

main()
