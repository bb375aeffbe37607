"""The shell around the pure core: sockets, caches, the thread pool, the commit."""
