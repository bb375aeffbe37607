"""RADIUS over TLS: RFC 6614, RFC 6613 (stream framing), RFC 9765 (RADIUS/1.1), RFC 9813 (PSK)."""
