"""The laws, by what they speak of."""
