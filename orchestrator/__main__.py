"""``python -m orchestrator`` is the command ``asterisk-orchestrator``."""

from orchestrator.cli.main import main

main()
