"""Textual's screen, painted as soon as there is something to paint."""

import time

from textual import events
from textual.screen import UPDATE_PERIOD, Screen


class Sheet(Screen[None]):
    """The only screen of the console.

    Textual's own waits for the next of sixty ticks a second even after a long rest, which adds 8 ms
    to a key on average. This one paints at once when it has rested for a tick, and leaves a burst
    to the ticks.
    """

    _painted_at = 0.0

    async def _on_idle(self, event: events.Idle) -> None:
        now = time.monotonic()
        if self._is_dirty and now - self._painted_at >= UPDATE_PERIOD:
            # Textual's own handler, which would wait for the tick, is not called then.
            event.prevent_default()
            self._painted_at = now
            self._on_timer_update()

    @property
    def _is_dirty(self) -> bool:
        return self.is_current and bool(
            self._layout_required
            or self._scroll_required
            or self._repaint_required
            or self._dirty_widgets
        )
