//! What all operations of the OpenAPI document have in common, and the handlers do not repeat.

use std::collections::BTreeMap;

use morgana_model::Problem;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

/// The failures that an operation can have, each a problem document.
const FAILURES: [(&str, &str); 9] = [
    ("400", "The input is wrong"),
    ("401", "No valid token"),
    ("403", "Not allowed"),
    ("404", "It does not exist"),
    ("409", "It exists already, or its state forbids it"),
    ("412", "It was changed since"),
    ("422", "What it names cannot be run here"),
    ("429", "Too much at once: Retry-After says when to try again"),
    ("default", "Any other failure"),
];

/// The document with every failure of every operation, and with path templates as OpenAPI writes them.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let paths = std::mem::take(&mut document.paths.paths);
    for (path, mut item) in paths {
        let PathItem { get, put, post, delete, patch, .. } = &mut item;
        for operation in [get, put, post, delete, patch].into_iter().flatten() {
            add_failures(operation);
        }
        // The router writes `{*name}` where a name may have slashes; a template of OpenAPI has no word for it.
        document.paths.paths.insert(path.replace("{*", "{"), item);
    }
    document
}

fn add_failures(operation: &mut Operation) {
    let changes = operation.request_body.is_some() && operation.parameters.is_some();
    let known: &mut BTreeMap<_, _> = &mut operation.responses.responses;
    for (status, description) in FAILURES {
        if status == "412" && !changes {
            continue;
        }
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build();
        known.entry(status.to_owned()).or_insert(RefOr::T(response));
    }
}
