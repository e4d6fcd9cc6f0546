"""Answers that the caller has already are not sent again."""

import httpx


async def test_unchanged_success_data_is_304_and_only_for_its_owner(
    reader: httpx.AsyncClient,
) -> None:
    first = await reader.get("/success/overview")
    tag = first.headers["etag"]

    for header in (tag, f'W/{tag}, "other"', "*"):
        again = await reader.get("/success/overview", headers={"if-none-match": header})
        assert (again.status_code, again.content) == (304, b""), header
        assert again.headers["etag"] == tag
    for header in ('"other"', "", tag.strip('"')):
        again = await reader.get("/success/overview", headers={"if-none-match": header})
        assert again.status_code == 200, header
    assert "private" in first.headers["cache-control"]


async def test_other_answers_are_not_to_be_kept(reader: httpx.AsyncClient) -> None:
    for path in ("/integrations", "/nothing", "/health/live"):
        answer = await reader.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
