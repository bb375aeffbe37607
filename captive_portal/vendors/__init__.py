"""The makes of gateways: how each sends a visitor here and wants them handed back."""
