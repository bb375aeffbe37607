"""The command line and the wiring: commands, one module per process, the supervisor."""
