"""What both portals share: languages, addresses, headers, tokens, error pages, the server."""
