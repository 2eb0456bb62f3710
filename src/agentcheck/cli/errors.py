"""How a verb says that the user has to change something."""


class UserError(Exception):
    """One sentence: what is wrong, where, and how to mend it. The exit status is 2."""
