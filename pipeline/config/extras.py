"""How an extra is installed, for messages of what is missing. Spikewatch is on no package index yet."""


def install(extra: str) -> str:
    """What to type.

    >>> install("notify")
    "pip install '.[notify]' in the folder of the sources"
    """
    return f"pip install '.[{extra}]' in the folder of the sources"
