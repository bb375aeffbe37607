"""What people meet in a browser: the public portal, the admin portal and what both share."""
