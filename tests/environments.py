"""Which frameworks the environment of a test has."""

from importlib.metadata import PackageNotFoundError, distribution


def installed(name: str) -> bool:
    """Whether a distribution is; a module of its name may be one of ours, as `agents` is."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
