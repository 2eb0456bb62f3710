"""One file for each kind of target: how it is launched, answered, resumed and killed."""
