//! `/subscriptions` and `/csourceSubscriptions`, and one of them (NGSI-LD 6.10 to 6.13): the same but for what is
//! subscribed to.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};

use super::{
    ROOT, Route, Shared,
    entities::has_content,
    reply,
    request::{Asked, Sent},
};
use crate::{
    Error, ErrorKind,
    model::{Json, check_uri},
    sources::passed,
    subscriptions::Origin,
};

/// What is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Entities,
    Sources,
}

impl Of {
    fn path(self) -> String {
        match self {
            Self::Entities => format!("{ROOT}/subscriptions"),
            Self::Sources => format!("{ROOT}/csourceSubscriptions"),
        }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let both = [
        (Of::Entities, "/subscriptions", "/subscriptions/{id}"),
        (Of::Sources, "/csourceSubscriptions", "/csourceSubscriptions/{id}"),
    ];
    let routes = |(of, all, one)| -> [Route; 2] {
        let lists = get(move |door: Shared, asked: Asked| list(of, door, asked));
        let creates = move |door: Shared, headers: HeaderMap, sent: Sent| create(of, door, headers, sent);
        let retrieves =
            get(move |door: Shared, id: Path<String>, asked: Asked| retrieve(of, door, id, asked));
        let updates = move |door: Shared, id: Path<String>, sent: Sent| update(of, door, id, sent);
        let removes = move |door: Shared, id: Path<String>| remove(of, door, id);
        [(all, lists.post(creates)), (one, retrieves.patch(updates).delete(removes))]
    };
    both.into_iter().flat_map(routes).collect()
}

async fn create(of: Of, State(door): Shared, headers: HeaderMap, mut sent: Sent) -> Result<Response, Error> {
    let context = sent.context(&door.broker).await?;
    if of == Of::Sources {
        let id = door.broker.subscribe_to_sources(sent.body, context).await?;
        return Ok(reply::created(&of.path(), &id));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    // A context that no single URL names gets one, so that notifications can name it (NGSI-LD 5.8.1).
    if context.link().is_none() && sent.body.get("jsonldContext").is_none() {
        let url = door.broker.implicit_context(&context, &format!("http://{host}{ROOT}")).await?;
        if let Json::Object(members) = &mut sent.body {
            let mut all = Vec::from(std::mem::take(members));
            all.push(("jsonldContext".into(), Json::String(url)));
            *members = all.into();
        }
    }
    let origin = Origin {
        base: Some(format!("http://{host}").into()),
        via: via(&headers).map(Into::into),
        is_local: sent.params.flag("local")?,
    };
    if passed(&headers, door.broker.alias()) {
        let detail = "the subscription came back to this broker, which made it";
        return Err(Error::new(ErrorKind::LoopDetected, detail));
    }
    let id = door.broker.subscribe_from(sent.body, context, origin).await?;
    Ok(reply::created(&of.path(), &id))
}

/// The brokers that a request came through, as one header.
fn via(headers: &HeaderMap) -> Option<String> {
    let all: Vec<&str> = headers.get_all(header::VIA).iter().filter_map(|via| via.to_str().ok()).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

async fn list(of: Of, State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let (broker, paging) = (&door.broker, asked.params.paging(&door.options)?);
    let (sys_attrs, with_context) = (asked.params.option("sysAttrs"), asked.accepted.has_context());
    let at = (paging.offset, paging.limit);
    let (page, total) = match of {
        Of::Entities => broker.subscriptions(at, &asked.context, sys_attrs, with_context),
        Of::Sources => broker.csource_subscriptions(at, &asked.context, sys_attrs, with_context),
    };
    let response = reply::body(StatusCode::OK, &page, &asked.context, asked.accepted);
    let more = paging.offset + page.len() < total;
    Ok(reply::page_of_documents(response, &asked, paging, more, paging.count.then_some(total)))
}

async fn retrieve(
    of: Of,
    State(door): Shared,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let (sys_attrs, with_context) = (asked.params.option("sysAttrs"), asked.accepted.has_context());
    let found = match of {
        Of::Entities => door.broker.subscription(&id, &asked.context, sys_attrs, with_context),
        Of::Sources => door.broker.csource_subscription(&id, &asked.context, sys_attrs, with_context),
    }?;
    Ok(reply::body(StatusCode::OK, &found, &asked.context, asked.accepted))
}

async fn update(of: Of, State(door): Shared, Path(id): Path<String>, sent: Sent) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    let context = sent.context(&door.broker).await?;
    has_content(&sent.body)?;
    match of {
        Of::Entities => door.broker.update_subscription(&id, sent.body, context).await,
        Of::Sources => door.broker.update_csource_subscription(&id, sent.body, context).await,
    }?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(of: Of, State(door): Shared, Path(id): Path<String>) -> Result<Response, Error> {
    check_uri(&id, "id")?;
    match of {
        Of::Entities => door.broker.unsubscribe(&id).await,
        Of::Sources => door.broker.unsubscribe_from_sources(&id).await,
    }?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
