use crate::{
    Error,
    model::{Field, Json, check_identifier},
    query::{EntitySelector, Filter, GeoQuery, GeoText, GeoWords, parse_pattern},
    render::Names,
};

/// The body of `POST /v2/op/query`.
#[derive(Debug, Default)]
pub(crate) struct QueryBody {
    pub(crate) selectors: Vec<EntitySelector>,
    pub(crate) expression: Expression,
    pub(crate) attrs: Option<Names>,
    pub(crate) metadata: Option<Names>,
    /// Attributes of which an entity must have one.
    pub(crate) having: Names,
}

/// Conditions on an entity's content, in a query's or a subscription's body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expression {
    pub(crate) q: Option<Filter>,
    pub(crate) mq: Option<Filter>,
    pub(crate) geo: Option<GeoQuery>,
}

/// Reads the body of `POST /v2/op/query`.
///
/// # Errors
/// When it is not one.
pub(crate) fn parse_query_body(body: &Json) -> Result<QueryBody, Error> {
    let members = body.as_object().ok_or_else(Error::parse)?;
    if members.is_empty() {
        return Err(Error::bad("empty payload"));
    }
    let mut query = QueryBody::default();
    let mut relevant = false;
    for (name, content) in members {
        match &**name {
            "entities" => query.selectors = parse_selectors(content)?,
            "expression" => query.expression = parse_expression(content)?,
            "attrs" => query.attrs = Some(parse_names("attrs", content)?),
            // The way of NGSIv1: to show these, of entities that have one of them.
            "attributes" => {
                let names = parse_names("attributes", content)?;
                query.having.clone_from(&names);
                query.attrs.get_or_insert(names);
            }
            "metadata" => query.metadata = Some(parse_names("metadata", content)?),
            _ => continue,
        }
        relevant = true;
    }
    if !relevant {
        return Err(Error::bad("Invalid JSON payload, no relevant fields found"));
    }
    Ok(query)
}

pub(crate) fn parse_names(field: &str, body: &Json) -> Result<Names, Error> {
    let items =
        body.as_array().ok_or_else(|| Error::bad(format!("the field /{field}/ must be a JSON array")))?;
    let name = |item: &Json| -> Result<Box<str>, Error> {
        let text = item.as_str().ok_or_else(|| Error::bad("only JSON Strings allowed in attributes list"))?;
        match (field, text) {
            (_, "") => Err(Error::bad("empty name in list")),
            ("metadata", text) => check_identifier(Field::MetadataName, text).map(|()| text.into()),
            (_, text) => check_identifier(Field::AttributeName, text).map(|()| text.into()),
        }
    };
    Ok(Names::new(items.iter().map(name).collect::<Result<Vec<_>, _>>()?))
}

fn parse_selectors(body: &Json) -> Result<Vec<EntitySelector>, Error> {
    let items = body.as_array().ok_or_else(|| Error::bad("not a JSON array"))?;
    if items.is_empty() {
        return Err(Error::bad("empty entities vector"));
    }
    items.iter().map(parse_selector).collect()
}

fn parse_selector(body: &Json) -> Result<EntitySelector, Error> {
    let members = body.as_object().ok_or_else(Error::parse)?;
    let mut selector = EntitySelector::default();
    for (name, content) in members {
        let text = |what: &str| {
            content.as_str().ok_or_else(|| Error::bad(format!("Invalid JSON type for entity {what}")))
        };
        match &**name {
            "id" => {
                let id = text("id")?;
                check_identifier(Field::EntityId, id)?;
                selector.id = Some(id.into());
            }
            "type" => {
                let kind = text("type")?;
                check_identifier(Field::EntityType, kind)?;
                selector.kind = Some(kind.into());
            }
            "idPattern" => selector.id_pattern = Some(parse_pattern(text("idPattern")?, "idPattern")?),
            "typePattern" => {
                selector.type_pattern = Some(parse_pattern(text("typePattern")?, "typePattern")?)
            }
            other => return Err(Error::bad(format!("unrecognized property for entity: /{other}/"))),
        }
    }
    if selector.id.is_some() && selector.id_pattern.is_some() {
        return Err(Error::bad("Incompatible parameters: id, IdPattern"));
    }
    if selector.kind.is_some() && selector.type_pattern.is_some() {
        return Err(Error::bad("Incompatible parameters: type, typePattern"));
    }
    let is_empty = selector.id.is_none()
        && selector.id_pattern.is_none()
        && selector.kind.is_none()
        && selector.type_pattern.is_none();
    if is_empty {
        return Err(Error::bad("id and idPattern cannot be both empty at the same time"));
    }
    Ok(selector)
}

/// Reads the `expression` of a query or of a subscription's condition.
///
/// # Errors
/// When it is not one.
pub(crate) fn parse_expression(body: &Json) -> Result<Expression, Error> {
    let members = body.as_object().ok_or_else(|| Error::bad("expression is not an object"))?;
    if members.is_empty() {
        return Err(Error::bad("expression is empty"));
    }
    let text = |name: &str| match body.get(name) {
        None => Ok(None),
        Some(content) => match content.as_str() {
            None => Err(Error::bad(format!("{name} is not a string"))),
            Some("") => Err(Error::bad(format!("{name} is empty"))),
            Some(text) => Ok(Some(text)),
        },
    };
    let q = text("q")?.map(Filter::parse_q).transpose()?;
    let mq = text("mq")?.map(Filter::parse_mq).transpose()?;
    let geo = GeoText { geometry: text("geometry")?, coords: text("coords")?, georel: text("georel")? };
    Ok(Expression { q, mq, geo: geo.parse(GeoWords::BODY)? })
}
