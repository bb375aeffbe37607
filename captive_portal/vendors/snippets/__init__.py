"""What an officer enters into equipment of each make, ready to copy."""
