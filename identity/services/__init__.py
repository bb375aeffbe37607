"""What the portals, the command line and RADIUS call. Each function takes an open session."""
