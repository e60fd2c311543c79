"""The text of HTML is of one page alone."""

import pytest
from inscriptis.model.html_document_state import HtmlDocumentState

from postroom.message.text_of_html import text_of_html


def test_texts_that_two_threads_make_at_once_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[str] = []
    begin = HtmlDocumentState.apply_starttag_layout

    def interrupted(state: HtmlDocumentState, tag: str, attributes: dict[str, str]) -> None:
        """As where the processor is given to another thread here."""
        if not others:
            others.append("begun")
            others.append(text_of_html("<p>Not for Ann</p>"))
        begin(state, tag, attributes)

    monkeypatch.setattr(HtmlDocumentState, "apply_starttag_layout", interrupted)
    assert text_of_html("<p>For Ann</p>") == "For Ann"
    assert others == ["begun", "Not for Ann"]
