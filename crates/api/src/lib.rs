//! REST v1, the VirIoT-compatible API, OpenAPI and the event stream.
