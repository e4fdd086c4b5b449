"""The `attnreport` command: one file a subcommand, heavy imports inside their functions."""
