//! What was measured, as tables and as JSON.

use std::io;
use std::path::Path;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    machine: String,
    figures: Vec<Figure>,
}

/// One figure.
#[derive(Debug, Serialize)]
struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    /// What it should be, where the project set itself an aim.
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<&'static str>,
}

impl Figures {
    /// No figures yet, and the machine they will be of.
    pub(crate) fn of_this_machine() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model =
            cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
        let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
        let kernel = read("/proc/sys/kernel/osrelease");
        let model = model.trim_start_matches([' ', '\t', ':']);
        Self { machine: format!("{cores} cores, {model}, Linux {}", kernel.trim()), figures: Vec::new() }
    }

    pub(crate) fn put(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        aim: Option<&'static str>,
    ) {
        self.figures.push(Figure { what: what.into(), value, unit, aim });
    }

    /// The middle and the tail of some durations, in milliseconds.
    pub(crate) fn put_durations(
        &mut self,
        what: &str,
        durations: &mut [Duration],
        aim: Option<&'static str>,
    ) {
        durations.sort_unstable();
        let milliseconds = |quantile: f64| {
            let last = durations.len().saturating_sub(1);
            let at = (last as f64 * quantile).round() as usize;
            durations.get(at).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1000.0)
        };
        self.put(format!("{what}, p50"), milliseconds(0.5), "ms", aim);
        self.put(format!("{what}, p99"), milliseconds(0.99), "ms", None);
    }

    pub(crate) fn print(&self) {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header(["measured", "value", "unit", "aim"]);
        for figure in &self.figures {
            let digits = if figure.value < 10.0 { 3 } else { 1 };
            table.add_row([
                figure.what.clone(),
                format!("{:.digits$}", figure.value),
                figure.unit.to_owned(),
                figure.aim.unwrap_or_default().to_owned(),
            ]);
        }
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("{}\n{table}", self.machine);
    }

    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_string_pretty(self)? + "\n")
    }
}
