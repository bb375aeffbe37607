"""What the law asks of the office, and what of it can be shown here and now."""
