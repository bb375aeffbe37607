"""What every package may use: configuration, clock, errors, logging, metrics, network values, secrets.

Imports nothing else of this project.
"""
