//! The Master Controller: operations and reconcilers; knows no HTTP.
