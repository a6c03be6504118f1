"""What the settings say to a router."""

from signet.core.limits import PAIR_PARTS, STRANGERS_BURST, STRANGERS_RATE
from signet.core.recipients import Pace, Recipients
from signet.settings import Settings


def recipients(settings: Settings) -> Recipients:
    """The same for `signet run` and for a router process."""
    pair = Pace(settings.send_burst * PAIR_PARTS, settings.send_rate * PAIR_PARTS)
    return Recipients(pair, Pace(STRANGERS_BURST, STRANGERS_RATE))
