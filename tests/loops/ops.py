def list_git_tags(limit: int = 10) -> list[str]:
    """List the tags that can be deployed, newest first."""
    raise RuntimeError("real")


def deploy_backend(tag: str, environment: str) -> dict[str, str]:
    """Deploy a tag of the backend."""
    raise RuntimeError("real")


FUNCTIONS = {"list_git_tags": list_git_tags, "deploy_backend": deploy_backend}
SCHEMAS = {
    "list_git_tags": {"type": "object", "properties": {"limit": {"type": "integer", "description": "How many."}}},
    "deploy_backend": {
        "type": "object",
        "properties": {
            "tag": {"type": "string", "description": "Tag."},
            "environment": {"type": "string", "enum": ["staging", "production"], "description": "Where."},
        },
        "required": ["tag", "environment"],
        "additionalProperties": False,
    },
}
SYSTEM = "You deploy the backend."


def call(name, arguments):
    import jsonschema

    try:
        if name not in FUNCTIONS:
            return f"error: there is no tool {name}"
        jsonschema.validate(arguments, SCHEMAS[name])
        return str(FUNCTIONS[name](**arguments))
    except jsonschema.ValidationError as e:
        return f"{name}: invalid arguments: {e.message[:200]}"
    except Exception as e:
        return f"{name} failed: {type(e).__name__}: {str(e)[:200]}"
