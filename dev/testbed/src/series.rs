//! A time series as a CSV file, for the `replay` ThingVisor.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A CSV file of person counters: `sensor,count,at`.
#[derive(Debug, Clone)]
pub struct Series {
    path: PathBuf,
}

impl Series {
    /// Writes the file; each row as it is, without the header.
    pub fn write(folder: &Path, name: &str, rows: &[&str]) -> Self {
        let path = folder.join(name);
        let text = ["sensor,count,at"].iter().chain(rows).map(|row| format!("{row}\n")).collect::<String>();
        fs::write(&path, text).expect("a file can be written in the folder of the test");
        Self { path }
    }

    /// Parameters that make `replay` play it as entities of type `PersonCounter`, `speed` times as
    /// fast as it was.
    pub fn replay(&self, v_thing: &str, speed: Value) -> Value {
        json!({
            "file": self.path,
            "vThing": v_thing,
            "entity": { "id": "urn:ngsi-ld:PersonCounter:{sensor}", "type": "PersonCounter" },
            "properties": { "count": { "column": "count", "type": "number" } },
            "observedAt": "at",
            "speed": speed,
        })
    }
}
