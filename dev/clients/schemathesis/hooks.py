"""What schemathesis is told of the API beside its OpenAPI document."""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    """A log that is followed has no end: it is read."""
    if case.path.endswith("/logs") and case.query:
        case.query.pop("follow", None)
