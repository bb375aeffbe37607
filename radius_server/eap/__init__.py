"""EAP (RFC 3748) and its methods: pure, no socket, no thread, no clock."""
