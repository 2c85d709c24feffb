"""What a page must not have, whatever is on it: strange markup, controls without a name, inline scripts and styles."""

from __future__ import annotations

from html.parser import HTMLParser


class Checked(HTMLParser):
    """Reads a page and refuses what the policy or a screen reader would."""

    VOID = frozenset(["meta", "link", "input", "br", "img"])

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.labelled: list[str] = []
        self.scripts: list[dict] = []
        self.unnamed: list[str] = []
        self.fors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        assert not any(name == "style" or name.startswith("on") for name in given), (tag, given)
        assert tag not in ("style", "img", "iframe", "object")
        if tag == "script":
            self.scripts.append(given)
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("aria-labelledby", "aria-controls", "aria-describedby", "list"):
            self.labelled += given.get(name, "").split()
        if tag == "label" and "for" in given:
            self.fors.add(given["for"])
        if tag in ("input", "select", "textarea", "progress") and given.get("type") != "hidden":
            labelled = "label" in self.stack or given.get("id") in self.fors
            if not labelled and "aria-label" not in given and given.get("aria-hidden") != "true":
                self.unnamed.append(str(given))
        if tag not in self.VOID and tag not in ("path", "line", "tr", "td"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass
