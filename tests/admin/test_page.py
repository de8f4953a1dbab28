"""A report on a page, for a terminal and for a ticket."""

from dataclasses import replace

from splitter.admin.page import Format, page
from splitter.admin.wire import plain
from tests.admin.controllers import REPORT

TEXT = """\
Rollout shop-12: rolled back
============================

ann asked at 2024-05-06 07:08:09 for shop-r12 beside shop-r11
files: /srv/shop/v12.yaml
changes: replace service:web
steps: 1 %, 50 %
rollback cost: 0 (none)
ended at 2024-05-06 07:08:09 after 04:12

Figures while both were judged
------------------------------

               live shop-r11  shadow shop-r12
requests       9214           0
failures       29 (0.31 %)    0
client errors  12 (0.13 %)    0
p50            48.0 ms        –
p95            160.0 ms       –
p99            212.0 ms       –

Why
---

error rate: worse
  297 : 1 | needed 125 : 1

What happened
-------------

2024-05-06 07:08:09  ann  ann asked for shop-r12
"""

MARKDOWN = """\
# Rollout shop-12: rolled back

- ann asked at 2024-05-06 07:08:09 for shop-r12 beside shop-r11
- files: /srv/shop/v12.yaml
- changes: replace service:web
- steps: 1 %, 50 %
- rollback cost: 0 (none)
- ended at 2024-05-06 07:08:09 after 04:12

## Figures while both were judged

|  | live shop-r11 | shadow shop-r12 |
|---|---|---|
| requests | 9214 | 0 |
| failures | 29 (0.31 %) | 0 |
| client errors | 12 (0.13 %) | 0 |
| p50 | 48.0 ms | – |
| p95 | 160.0 ms | – |
| p99 | 212.0 ms | – |

## Why

- error rate: worse
  - 297 : 1 | needed 125 : 1

## What happened

|  |  |  |
|---|---|---|
| 2024-05-06 07:08:09 | ann | ann asked for shop-r12 |
"""


class TestPage:
    def test_is_text_for_a_terminal(self) -> None:
        """
        Everything stands there in the order in which a person asks.
        """
        assert page(plain(REPORT), Format.TEXT) == TEXT

    def test_is_markdown_for_a_ticket(self) -> None:
        """
        The same, with headings, lists and tables.
        """
        assert page(plain(REPORT), Format.MARKDOWN) == MARKDOWN

    def test_of_a_rollout_that_was_not_judged_has_no_figures(self) -> None:
        """
        A table of nothing is left out, and what runs has no end.
        """
        found = page(plain(replace(REPORT, figures={}, ended_at=None)), Format.TEXT)

        assert "Figures" not in found
        assert "it has run for 04:12" in found

    def test_keeps_tables_whole(self) -> None:
        """
        A bar in a sentence does not begin another column.
        """
        happening = replace(REPORT.timeline[0], sentence="a | b")

        assert "| a \\| b |" in page(plain(replace(REPORT, timeline=(happening,))), Format.MARKDOWN)
