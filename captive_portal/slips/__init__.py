"""Voucher slips on paper: A4 sheets of cards, and rolls of thermal printers; HTML, PDF and CSV."""
