"""The fuzzer: a world that does anything it may do, in any order, and laws that must hold whatever it does."""
