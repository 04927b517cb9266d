//! The command line: commands over the REST client.
