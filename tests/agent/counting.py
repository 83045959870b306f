"""A backend for large loads: it checks every upload as the other one does, and keeps numbers in place of rows."""

import itertools
from typing import Any

from tests.agent.backend import FakeBackend


class CountingBackend(FakeBackend):
    """`rows_seen` slow queries, `statements_seen` of the last whole snapshot, `texts_seen` texts and their characters."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_seen = 0
        self.statements_seen = 0
        self.texts_seen = 0
        self.text_characters = 0
        self.bulk_uploads = 0
        self._unknown: dict[str, None] = {}

    def _bulk(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bulk_uploads += 1
        if "texts" in body:
            self.texts_seen += len(body["texts"])
            for text in body["texts"]:
                self._unknown.pop(text["key"], None)
                self.text_characters += len(text["fingerprint"] or "")
            return super()._bulk({**body, "texts": []}) | {"text_wanted": self._wanted()}
        answer = super()._bulk(body)
        self.uploads.clear()
        if body["source"] == "slow_log":
            self.rows_seen += answer["accepted"]
            self.rows.clear()
        elif answer["accepted"]:
            rows = self.snapshots[-1].pop("queries")
            self.statements_seen = len(rows)
            self.parts.clear()
            if self.want_texts:
                self._unknown = dict.fromkeys(row["key"] for row in rows)
                self.want_texts = False
            return answer | {"text_wanted": self._wanted()}
        return answer

    def _wanted(self) -> list[str]:
        """The next keys whose text is unknown, as many as one answer may name."""
        return list(itertools.islice(self._unknown, 500))
