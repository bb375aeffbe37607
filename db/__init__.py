"""Tables, engine, sessions, migrations and the group-commit ledger.

Holds no rule of the office: those are in identity.domain. Imports only `common`.
"""
