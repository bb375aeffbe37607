"""RADIUS packets: structure, authenticity, attributes. Octets in, values out; no I/O."""
