"""The head-end over HTTP: REST with OpenAPI, live progress by server-sent events."""
