//! Who may do what: roles, password hashes, tokens, fabric credentials and topic rules.
