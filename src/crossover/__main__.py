"""``python -m crossover``."""

from crossover.cli.main import main

main()
