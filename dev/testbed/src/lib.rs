//! A whole platform in one test: the real binary, real ports, simulated things.
