"""One module per process: what it is made of, how it starts and stops."""
