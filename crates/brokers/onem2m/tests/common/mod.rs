//! A CSE in a folder of its own, and short words for requests.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests; each file uses its own part"
)]

pub(crate) mod pair;

use morgana_onem2m::{Cse, Operation, Options, Request, Response, Status};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ADMIN: &str = "CAdmin";

/// The types of resources that the tests make.
pub(crate) mod ty {
    pub(crate) const ACP: u32 = 1;
    pub(crate) const AE: u32 = 2;
    pub(crate) const CNT: u32 = 3;
    pub(crate) const CIN: u32 = 4;
    pub(crate) const GRP: u32 = 9;
    pub(crate) const SUB: u32 = 23;
}

/// A CSE named `Mobius`.
pub(crate) struct Fixture {
    pub(crate) cse: Cse,
    pub(crate) dir: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = options(&dir);
        change(&mut options);
        Self { cse: Cse::open(options).unwrap(), dir }
    }

    /// Drops the CSE and opens its folder again as soon as the first one's tasks let go of it.
    pub(crate) async fn reopen(self) -> Self {
        let Self { cse, dir } = self;
        drop(cse);
        let opened = async {
            loop {
                match Cse::open(options(&dir)) {
                    Ok(cse) => return cse,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let cse = tokio::time::timeout(std::time::Duration::from_secs(10), opened).await.unwrap();
        Self { cse, dir }
    }

    pub(crate) async fn create(&self, to: &str, from: &str, ty: u32, content: Value) -> Response {
        self.cse
            .request(Request { release: Some("4".to_owned()), ..Request::create(to, from, ty, content) })
            .await
    }

    /// Creates what must succeed; gives the attributes.
    pub(crate) async fn make(&self, to: &str, from: &str, ty: u32, content: Value) -> Value {
        let response = self.create(to, from, ty, content).await;
        assert_eq!(response.status, Status::Created, "{:?}", response.content);
        attributes(response)
    }

    pub(crate) async fn retrieve(&self, to: &str, from: &str) -> Response {
        self.cse.request(Request::new(Operation::Retrieve, to, from)).await
    }

    /// Retrieves what must be there; gives the attributes.
    pub(crate) async fn get(&self, to: &str, from: &str) -> Value {
        let response = self.retrieve(to, from).await;
        assert_eq!(response.status, Status::Ok, "{:?}", response.content);
        attributes(response)
    }

    pub(crate) async fn update(&self, to: &str, from: &str, content: Value) -> Response {
        let request = Request { content: Some(content), ..Request::new(Operation::Update, to, from) };
        self.cse.request(request).await
    }

    pub(crate) async fn delete(&self, to: &str, from: &str) -> Status {
        self.cse.request(Request::new(Operation::Delete, to, from)).await.status
    }
}

fn options(dir: &TempDir) -> Options {
    Options { dir: dir.path().to_owned(), ..Options::default() }
}

/// What is inside `{"m2m:cnt": {...}}`.
pub(crate) fn attributes(response: Response) -> Value {
    match response.content {
        Some(Value::Object(members)) => {
            members.into_iter().next().map(|(_, value)| value).unwrap_or_default()
        }
        other => panic!("no representation: {other:?}"),
    }
}

/// The text that says what offended.
pub(crate) fn debug(response: &Response) -> &str {
    response.content.as_ref().and_then(|content| content["m2m:dbg"].as_str()).unwrap_or_default()
}
