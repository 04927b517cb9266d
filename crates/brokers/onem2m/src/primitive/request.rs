use std::net::IpAddr;

use serde_json::Value;

use super::Filter;
use crate::status::Failure;

/// What is to be done (m2m:operation, TS-0004 6.3.4.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Make a resource.
    Create = 1,
    /// Read one, or find some.
    Retrieve = 2,
    /// Change one.
    Update = 3,
    /// Remove one with everything below it.
    Delete = 4,
    /// Tell an entity something.
    Notify = 5,
}

impl Operation {
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::Create,
            2 => Self::Retrieve,
            3 => Self::Update,
            4 => Self::Delete,
            5 => Self::Notify,
            _ => return None,
        })
    }

    /// The bit of m2m:accessControlOperations (TS-0004 6.3.4.2.29).
    pub(crate) fn privilege(self) -> u64 {
        match self {
            Self::Create => 1,
            Self::Retrieve => 2,
            Self::Update => 4,
            Self::Delete => 8,
            Self::Notify => 16,
        }
    }
}

/// The bit of DISCOVERY in m2m:accessControlOperations.
pub(crate) const DISCOVER: u64 = 32;

/// What the response is to hold (m2m:resultContent, TS-0001 8.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum ResultContent {
    Nothing = 0,
    Attributes = 1,
    HierarchicalAddress = 2,
    HierarchicalAddressAndAttributes = 3,
    AttributesAndChildResources = 4,
    AttributesAndChildReferences = 5,
    ChildReferences = 6,
    OriginalResource = 7,
    ChildResources = 8,
    ModifiedAttributes = 9,
    SemanticContent = 10,
    DiscoveryReferences = 11,
    Permissions = 12,
}

impl ResultContent {
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => Self::Nothing,
            1 => Self::Attributes,
            2 => Self::HierarchicalAddress,
            3 => Self::HierarchicalAddressAndAttributes,
            4 => Self::AttributesAndChildResources,
            5 => Self::AttributesAndChildReferences,
            6 => Self::ChildReferences,
            7 => Self::OriginalResource,
            8 => Self::ChildResources,
            9 => Self::ModifiedAttributes,
            10 => Self::SemanticContent,
            11 => Self::DiscoveryReferences,
            12 => Self::Permissions,
            _ => return None,
        })
    }

    /// Whether it goes with an operation (TS-0001 table 8.1.2-1).
    pub(crate) fn fits(self, operation: Operation, discovery: bool) -> bool {
        match operation {
            Operation::Create => matches!(self as u8, 0..=3 | 9),
            Operation::Retrieve if discovery => matches!(self as u8, 6 | 10 | 11),
            Operation::Retrieve => matches!(self as u8, 1 | 4..=8 | 10 | 12),
            Operation::Update => matches!(self as u8, 0 | 1 | 9),
            Operation::Delete => matches!(self as u8, 0 | 1 | 4..=6 | 8),
            Operation::Notify => matches!(self as u8, 0 | 1),
        }
    }
}

/// How the answer comes (m2m:responseType, TS-0001 8.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ResponseType {
    /// At once a reference to a request resource, which later has the result.
    NonBlockingSync = 1,
    /// At once a reference; the result is notified.
    NonBlockingAsync = 2,
    /// When it is done.
    #[default]
    Blocking = 3,
    /// As the CSE likes; this one answers when it is done.
    Flexible = 4,
    /// Not at all.
    None = 5,
}

impl ResponseType {
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::NonBlockingSync,
            2 => Self::NonBlockingAsync,
            3 => Self::Blocking,
            4 => Self::Flexible,
            5 => Self::None,
            _ => return None,
        })
    }
}

/// A request primitive (TS-0004 6.4.1).
#[derive(Debug, Clone)]
pub struct Request {
    /// op.
    pub operation: Operation,
    /// to: the address of the target.
    pub to: String,
    /// fr: who asks; `None` and empty are the same.
    pub from: Option<String>,
    /// rqi; a number is echoed as it came.
    pub id: Value,
    /// ty: the type of the resource to create.
    pub ty: Option<u32>,
    /// pc.
    pub content: Option<Value>,
    /// rvi: the release; without it, 2a.
    pub release: Option<String>,
    /// vsi: vendor information, echoed.
    pub vendor: Option<Value>,
    /// rcn.
    pub result_content: Option<ResultContent>,
    /// rt.rtv.
    pub response_type: ResponseType,
    /// rt.nu: where the result of an asynchronous request goes.
    pub notify: Vec<String>,
    /// rqet: when the request is too late, absolute or in milliseconds.
    pub request_expires: Option<String>,
    /// rset: when the result is not wanted any more.
    pub result_expires: Option<String>,
    /// oet: when the operation is to begin.
    pub operation_time: Option<String>,
    /// rp: how long a request resource stays.
    pub result_persistence: Option<String>,
    /// ot: when the request was made.
    pub originated: Option<String>,
    /// ec: the event category.
    pub event_category: Option<u64>,
    /// drt: whether references are structured (1) or not (2).
    pub unstructured: bool,
    /// fc.
    pub filter: Filter,
    /// fc as it came, name by name: what a request has to say when it goes on to another CSE.
    pub criteria: Vec<(String, String)>,
    /// atrl: the only attributes wanted.
    pub attributes: Vec<String>,
    /// Whether a representation in the response may come ready made, in [`Response::shown`](super::Response::shown) in
    /// place of its content: what a binding wants that writes JSON.
    pub shown: bool,
    /// Whether the binding authenticated the originator.
    pub authenticated: bool,
    /// Where the request came from.
    pub remote: Option<IpAddr>,
}

impl Request {
    /// A request of the least.
    pub fn new(operation: Operation, to: impl Into<String>, from: impl Into<String>) -> Self {
        Self {
            operation,
            to: to.into(),
            from: Some(from.into()),
            id: Value::Null,
            ty: None,
            content: None,
            release: None,
            vendor: None,
            result_content: None,
            response_type: ResponseType::default(),
            notify: Vec::new(),
            request_expires: None,
            result_expires: None,
            operation_time: None,
            result_persistence: None,
            originated: None,
            event_category: None,
            unstructured: false,
            filter: Filter::default(),
            criteria: Vec::new(),
            attributes: Vec::new(),
            shown: false,
            authenticated: false,
            remote: None,
        }
    }

    /// A CREATE request for a resource of type `ty`.
    pub fn create(to: impl Into<String>, from: impl Into<String>, ty: u32, content: Value) -> Self {
        Self { ty: Some(ty), content: Some(content), ..Self::new(Operation::Create, to, from) }
    }

    /// The originator; empty when there is none.
    pub(crate) fn originator(&self) -> &str {
        self.from.as_deref().unwrap_or_default()
    }

    pub(crate) fn wants(&self) -> ResultContent {
        self.result_content.unwrap_or(match self.operation {
            Operation::Retrieve if self.filter.is_discovery() => ResultContent::DiscoveryReferences,
            Operation::Delete => ResultContent::Nothing,
            _ => ResultContent::Attributes,
        })
    }

    /// Takes a parameter as it stands in the query of a URI (TS-0009 6.2.2.2).
    ///
    /// # Errors
    /// When the value is not one of the parameter's, or the parameter is unknown.
    pub fn set_parameter(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let number = || {
            let wrong = |_| Failure::bad(format!("{name}={value}: it must be a number"));
            value.parse::<u64>().map_err(wrong)
        };
        let unknown = || Failure::bad(format!("{name}={value} is not one of its values"));
        match name {
            "rcn" => self.result_content = Some(ResultContent::from_code(number()?).ok_or_else(unknown)?),
            "rt" => self.response_type = ResponseType::from_code(number()?).ok_or_else(unknown)?,
            "rp" => self.result_persistence = Some(value.to_owned()),
            "drt" => {
                self.unstructured = match number()? {
                    1 => false,
                    2 => true,
                    _ => return Err(unknown()),
                }
            }
            "atrl" => self.attributes.extend(value.split([' ', '+']).map(str::to_owned)),
            "sqi" | "tids" | "ltids" | "tqi" | "da" => {}
            _ => {
                self.filter.add(name, value)?;
                self.criteria.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(())
    }
}
