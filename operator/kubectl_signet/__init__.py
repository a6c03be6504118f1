"""`kubectl signet`: what a cluster does, and what is asked of it, through the API only."""

from kubectl_signet.commands import main

__all__ = ["main"]
