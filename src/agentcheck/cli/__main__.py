"""`python -m agentcheck.cli` is the command `agentcheck`."""

from agentcheck.cli import main

raise SystemExit(main())
