//! Where the entities of a series are.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde_json::{Value, json};

use super::cells::{Cells, Columns, shown};
use super::decode::{Record, positions};
use super::params::{LocationParams, LookupParams};
use super::row_error::RowError;
use super::rows::Rows;

/// Places in a table at most (8 MB).
const MAX_PLACES: usize = 100_000;

/// How the place of a row is found.
#[derive(Debug)]
pub(super) enum Places {
    /// Latitude and longitude are in the row.
    Row { latitude: usize, longitude: usize },
    /// They are in a table, under the value of a column.
    Table { key: usize, places: HashMap<String, [f64; 2]> },
}

impl Places {
    /// # Errors
    /// When the table cannot be read. A place in it that is wrong is told and left out.
    pub(super) fn new(params: &LocationParams, columns: &mut Columns, folder: &Path) -> Result<Self, String> {
        match params {
            LocationParams::Columns { latitude, longitude } => {
                Ok(Self::Row { latitude: columns.slot(latitude), longitude: columns.slot(longitude) })
            }
            LocationParams::Lookup(lookup) => {
                let path = folder.join(&lookup.file);
                let places = table(lookup, &path)
                    .map_err(|error| format!("the places in '{}': {error}", path.display()))?;
                Ok(Self::Table { key: columns.slot(&lookup.column), places })
            }
        }
    }

    /// The GeoProperty of a row (NGSI-LD 4.7). A row that the table has no place for has none.
    ///
    /// # Errors
    /// When the row's own numbers are no place.
    pub(super) fn of(&self, cells: &Cells<'_>) -> Result<Option<Value>, RowError> {
        let place = match self {
            Self::Row { latitude, longitude } => {
                let number = |slot: usize, bound: f64| {
                    let text = cells.text(slot)?;
                    degrees(&text, bound).map_err(|reason| cells.error(slot, reason))
                };
                Some([number(*longitude, 180.0)?, number(*latitude, 90.0)?])
            }
            Self::Table { key, places } => places.get(cells.text(*key)?.as_ref()).copied(),
        };
        let point = |coordinates| json!({ "type": "Point", "coordinates": coordinates });
        Ok(place.map(|place| json!({ "type": "GeoProperty", "value": point(place) })))
    }
}

fn table(lookup: &LookupParams, path: &Path) -> Result<HashMap<String, [f64; 2]>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut rows = Rows::new(BufReader::new(file), Some(b',')).map_err(unreadable)?;
    let mut record = Record::new(b',');
    match rows.next().map_err(unreadable)? {
        Some((_, Ok(header))) => record.read(header),
        _ => return Err("there is no header".to_owned()),
    }
    let wanted = [&lookup.key, &lookup.longitude, &lookup.latitude].map(String::clone);
    let at = positions(&wanted, &record.names())?;
    let mut places = HashMap::new();
    while let Some((place, row)) = rows.next().map_err(unreadable)? {
        let read = row.map_err(|error| error.to_string()).and_then(|row| {
            record.read(row);
            let field = |n: usize| {
                std::str::from_utf8(record.field(at[n]).unwrap_or_default())
                    .map(str::trim)
                    .map_err(|_| format!("column '{}' is no UTF-8", wanted[n]))
            };
            Ok((field(0)?.to_owned(), [degrees(field(1)?, 180.0)?, degrees(field(2)?, 90.0)?]))
        });
        match read {
            Ok((key, place)) => drop(places.insert(key, place)),
            Err(error) => tracing::warn!(path = %path.display(), row = place.line, error, "place left out"),
        }
        if places.len() > MAX_PLACES {
            return Err(format!("there are more than {MAX_PLACES}"));
        }
    }
    Ok(places)
}

fn degrees(text: &str, bound: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(degrees) if degrees.abs() <= bound => Ok(degrees),
        _ => Err(format!("'{}' is no number of degrees between -{bound} and {bound}", shown(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(table: &str) -> Result<HashMap<String, [f64; 2]>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("places.csv");
        std::fs::write(&path, table).unwrap();
        let params =
            json!({ "file": "x", "key": "Id", "column": "c", "latitude": "Lat", "longitude": "Lon" });
        super::table(&serde_json::from_value(params).unwrap(), &path)
    }

    #[test]
    fn a_place_that_is_wrong_is_left_out_and_the_others_are_not() {
        let places = lookup("Id,Lat,Lon\n1,-37.8,144.9\n2,x,1\n3,91,0\n4,0,-180\n5\n").unwrap();
        assert_eq!(
            places,
            HashMap::from([("1".to_owned(), [144.9, -37.8]), ("4".to_owned(), [-180.0, 0.0])])
        );
    }

    #[test]
    fn a_table_without_its_columns_is_refused() {
        assert!(lookup("Id,Lat\n").unwrap_err().contains("'Lon'"));
        assert!(lookup("").unwrap_err().contains("no header"));
    }
}
