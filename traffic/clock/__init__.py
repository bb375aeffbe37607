"""How right the clocks are: this machine's, and those of the equipment that reports to it."""
