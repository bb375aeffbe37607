"""The RADIUS server: a pure packet codec, a pure request process, and the shells around them.

`packet` and `process` do no I/O; `worker` owns sockets and the commit.
"""
