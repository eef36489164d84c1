"""Checks of an account, a region and a stack, before and after a deployment: `scones doctor`."""
