"""Our own gateway: a Linux box that catches browsers and lets proven visitors through."""
