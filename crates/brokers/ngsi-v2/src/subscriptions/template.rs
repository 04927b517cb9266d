//! Macros in custom notifications: `${name}` ("Macro substitution").

use crate::model::{Entity, Json};

/// What macros stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Macros<'a> {
    pub(super) entity: &'a Entity,
    pub(super) service: &'a str,
    pub(super) token: &'a str,
}

impl Macros<'_> {
    /// The value that a name stands for; `null` for a name that nothing has.
    fn value(&self, name: &str) -> Json {
        match name {
            "id" => return Json::String(self.entity.id.clone()),
            "type" => return Json::String(self.entity.kind.clone()),
            _ => {}
        }
        if let Some(attribute) = self.entity.attribute(name) {
            return attribute.value.clone();
        }
        match name {
            "service" => self.service.into(),
            "servicePath" => Json::String(self.entity.path.clone()),
            "authToken" => self.token.into(),
            _ => Json::Null,
        }
    }

    /// A text with its macros replaced.
    pub(super) fn text(&self, template: &str) -> String {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, name, after)) = next_macro(rest) {
            out.push_str(before);
            out.push_str(&as_text(&self.value(name)));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// Whether a text is one macro that stands for nothing.
    pub(super) fn is_nothing(&self, template: &str) -> bool {
        matches!(next_macro(template), Some(("", name, "")) if self.value(name) == Json::Null)
    }

    /// A value with the macros in its texts replaced. A text that is nothing but one macro becomes the macro's value.
    pub(super) fn json(&self, template: &Json) -> Json {
        match template {
            Json::String(text) => match next_macro(text) {
                Some(("", name, "")) => self.value(name),
                _ => Json::from(&*self.text(text)),
            },
            Json::Array(items) => Json::Array(items.iter().map(|item| self.json(item)).collect()),
            Json::Object(members) => {
                Json::Object(members.iter().map(|(name, value)| (name.clone(), self.json(value))).collect())
            }
            other => other.clone(),
        }
    }
}

/// What is before the first macro, its name, and what is after.
fn next_macro(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name.trim(), after))
}

/// A value inside of a text: a string without quotes, the rest as JSON.
fn as_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.to_string(),
        other => other.to_text(),
    }
}

/// A text with its URL-encoded characters decoded; what is no encoding stays.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[index], digit(index + 1), digit(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are a byte.
                out.push((high * 16 + low) as u8);
                index += 3;
            }
            (byte, ..) => {
                out.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribute, Time};

    #[test]
    fn macros_are_replaced_by_values() {
        let at = Time::from_millis(0);
        let attribute = |name: &str, value: Json| Attribute {
            name: name.into(),
            kind: "T".into(),
            value,
            metadata: [].into(),
            created: at,
            modified: at,
        };
        let entity = Entity {
            id: "E".into(),
            kind: "T".into(),
            path: "/p".into(),
            attributes: vec![
                attribute("n", 10.0.into()),
                attribute("s", "foo".into()),
                attribute("o", Json::parse(br#"{"x":[1]}"#).unwrap()),
            ],
            created: at,
            modified: at,
        };
        let macros = Macros { entity: &entity, service: "sv", token: "" };
        assert_eq!(macros.text("${id} ${type}: ${n}, ${s} ${o} ${zz}"), r#"E T: 10, foo {"x":[1]} null"#);
        assert_eq!(macros.text("${service}${servicePath} ${n"), "sv/p ${n");
        let json = |text: &str| macros.json(&Json::parse(text.as_bytes()).unwrap()).to_text();
        assert_eq!(
            json(r#"{"a":["${n}","x${n}"],"b":"${zz}","c":"${o}"}"#),
            r#"{"a":[10,"x10"],"b":null,"c":{"x":[1]}}"#
        );
        assert_eq!(decode("%22a%22 100% %2"), "\"a\" 100% %2");
    }
}
