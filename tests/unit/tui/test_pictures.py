"""Every screen and state looks as it looked when somebody last looked at it.

`python -m tests.pictures` draws them anew; look at what differs before you keep it.
"""

import time

import pytest

from tests.pictures import SCENES, SIZES, scenes, text_of, told


@pytest.mark.parametrize("size", SIZES, ids=("80x24", "160x50"))
async def test_every_screen_and_state_looks_as_kept(size: tuple[int, int]) -> None:
    seen: list[str] = []
    async for name, console in scenes(size):
        kept = text_of(name, size).read_text(encoding="utf-8")
        deadline = time.monotonic() + 10
        while told(console) != kept and time.monotonic() < deadline:
            await console.settles(0.05)
        assert told(console) == kept, name
        seen.append(name)

    assert seen == [scene.name for scene in SCENES]
