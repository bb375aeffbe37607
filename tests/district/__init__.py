"""A district that was made up from a seed, so that the truth about it is known."""
