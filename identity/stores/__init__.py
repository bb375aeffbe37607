"""Where facts about accounts are read for RADIUS, many at a time."""
