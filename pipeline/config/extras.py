"""What is installed: which version, and how to add an extra. Spikewatch is on no package index yet."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """As the package says; a copy of the sources that nobody has installed has none."""
    try:
        return version("spikewatch")
    except PackageNotFoundError:
        return "not installed"


def install(extra: str) -> str:
    """What to type.

    >>> install("notify")
    "pip install '.[notify]' in the folder of the sources"
    """
    return f"pip install '.[{extra}]' in the folder of the sources"
