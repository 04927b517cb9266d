//! A typed client of the REST v1 API.
