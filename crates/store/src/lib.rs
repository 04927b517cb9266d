//! The System DB: one trait, SQLite behind it, one conformance suite.
