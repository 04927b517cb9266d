//! `morgana config`: what is in force, and where each value comes from.

use figment::value::Value;

use crate::arguments::UpArguments;
use crate::configuration::{Configuration, DEFAULT, DERIVED, source_name, sources};
use crate::failure::Failure;

/// The key whose value may hold a password.
const STORE: &str = "store";

/// Prints every key with its value and its source, in the order of TOML sections.
pub(crate) fn run(arguments: &UpArguments) -> Result<(), Failure> {
    let figment = sources(arguments)?;
    Configuration::read(arguments)?;
    let values: Value =
        figment.extract().map_err(|error| Failure::new("cannot read the configuration", error))?;
    let mut leaves = Vec::new();
    collect("", &values, &mut leaves);
    // Keys without a section come first: in TOML they must.
    leaves.sort_by_key(|(key, _)| (key.contains('.'), key.clone()));
    let width = leaves.iter().map(|(key, value)| key.len() + value.len() + 3).max().unwrap_or(0).min(60);
    let mut section = String::new();
    for (key, value) in leaves {
        let value = if key == STORE { without_password(&value) } else { value };
        let (in_section, name) = key.rsplit_once('.').unwrap_or(("", &key));
        if in_section != section {
            println!("\n[{in_section}]");
            section = in_section.to_owned();
        }
        let derived = DERIVED
            .iter()
            .find(|(derived, _)| *derived == key)
            .map(|(_, from)| format!("follows from {from}"));
        let set = || figment.find_metadata(&key).map(source_name).unwrap_or_else(|| DEFAULT.to_owned());
        let source = derived.unwrap_or_else(set);
        println!("{:width$}  # {source}", format!("{name} = {value}"));
    }
    Ok(())
}

/// The address of a database, whose password is nobody's to read.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let shown = match authority.rsplit_once('@') {
        Some((user, host)) => format!("{}:…@{host}", user.split(':').next().unwrap_or_default()),
        None => authority.to_owned(),
    };
    // Among the parameters there may be one, too.
    let path = match path.split_once('?') {
        Some((path, parameters)) if parameters.contains("password=") => format!("{path}?…\""),
        _ => path.to_owned(),
    };
    format!("{scheme}://{shown}{path}")
}

fn collect(path: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Dict(_, members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(&path, member, leaves);
            }
        }
        leaf => {
            if let Ok(text) = serde_json::to_string(leaf) {
                leaves.push((path.to_owned(), text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn the_password_of_a_database_is_not_shown() {
        let cases = [
            ("\"sqlite\"", "\"sqlite\""),
            ("\"postgres://u:s3cret@h:1/d?sslmode=require\"", "\"postgres://u:…@h:1/d?sslmode=require\""),
            ("\"postgres://u:p@ss@h/d\"", "\"postgres://u:…@h/d\""),
            ("\"postgres://h/d?user=u&password=s3cret\"", "\"postgres://h/d?…\""),
        ];
        for (given, shown) in cases {
            assert_eq!(without_password(given), shown);
        }
    }
}
