"""What every package may use: configuration, clock, errors, logs, metrics, network values.

Imports nothing else of this project.
"""
