"""The head-end's pages: what people open in the morning. Templates, own style and script, charts made here."""
