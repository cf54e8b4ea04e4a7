"""docs/judge-failures.md says what happens."""

from tests.optimizer.judges import failure_table


async def test_the_page_is_up_to_date():
    written = failure_table.PAGE.read_text(encoding="utf-8")
    assert written == await failure_table.page(), f"docs/judge-failures.md is out of date; `{failure_table.COMMAND}` rewrites it"
