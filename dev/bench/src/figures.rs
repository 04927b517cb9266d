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
    /// Whose figures stand beside ours, and where they are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<String>,
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
    aim: Option<String>,
    /// The same figure of the one that stands beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<f64>,
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
        let machine = format!("{cores} cores, {model}, Linux {}", kernel.trim());
        Self { machine, beside: None, figures: Vec::new() }
    }

    /// Says whose figures stand beside these.
    pub(crate) fn beside(&mut self, whom: impl Into<String>) {
        self.beside = Some(whom.into());
    }

    pub(crate) fn put(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        aim: Option<&'static str>,
    ) {
        self.put_beside(what, value, unit, aim.map(str::to_owned), None);
    }

    /// A figure with the same one of somebody else.
    pub(crate) fn put_beside(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        aim: Option<String>,
        beside: Option<f64>,
    ) {
        self.figures.push(Figure { what: what.into(), value, unit, aim, beside });
    }

    /// Takes the figures of another run as those that stand beside.
    pub(crate) fn put_all_beside(&mut self, other: &Self) {
        for figure in &mut self.figures {
            let same = other.figures.iter().find(|known| known.what == figure.what);
            figure.beside = same.map(|same| same.value);
        }
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

    /// As [`Self::put_durations`], where the aim is that of nearly all.
    pub(crate) fn put_durations_within(&mut self, what: &str, durations: &mut [Duration], aim: &'static str) {
        self.put_durations(what, durations, Some(aim));
        if let Some(last) = self.figures.last_mut() {
            last.aim = Some(aim.to_owned());
        }
    }

    pub(crate) fn print(&self) {
        let mut table = Table::new();
        let mut header = vec!["measured", "value", "unit", "aim"];
        if self.beside.is_some() {
            header.extend(["beside", "ratio"]);
        }
        table.load_style(presets::ASCII_MARKDOWN).set_header(header);
        for figure in &self.figures {
            let aim = figure.aim.clone().unwrap_or_default();
            let mut row = vec![figure.what.clone(), number(figure.value), figure.unit.to_owned(), aim];
            if self.beside.is_some() {
                row.push(figure.beside.map(number).unwrap_or_default());
                let beside = figure.beside.filter(|beside| *beside != 0.0);
                let ratio = beside.map(|beside| format!("{} x", number(figure.value / beside)));
                row.push(ratio.unwrap_or_default());
            }
            table.add_row(row);
        }
        for column in [1, 4, 5] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        println!("{}", self.machine);
        if let Some(beside) = &self.beside {
            println!("beside: {beside}");
        }
        println!("{table}");
    }

    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_string_pretty(self)? + "\n")
    }
}

/// A figure with as many digits as say something.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        ..10.0 => 3,
        10.0..1000.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}
