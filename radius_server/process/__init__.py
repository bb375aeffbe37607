"""One request in, one step out: ask a question, or finish. No socket, clock or database."""
