"""Who may use the network: people, accounts, roles, vouchers, registrations.

`domain` is pure, `services` are what the portals, the command line and RADIUS call,
`stores` read and write tables.
"""
