"""Sessions that the tests of the limiter hold."""

from tests.support.idle_clock import pass_time
from wyoming_fish.fish.connections.limiter import ConcurrencyLimiter, SlotRequest


async def hold(
    limiter: ConcurrencyLimiter, request: SlotRequest, order: list[int], number: int
) -> None:
    """Wait for a slot, note ``number`` in ``order``, and keep the slot for a second."""
    async with limiter.acquire(request):
        order.append(number)
        await pass_time(1.0)
