"""The API asked by schemathesis, by its own OpenAPI document, where it is really served."""
