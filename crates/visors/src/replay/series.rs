//! A series in a file: opened, put in order, and read row by row on a thread of its own.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::decode::{Decoder, Record};
use super::order::{Entry, Order, Sorter};
use super::pace::Rule;
use super::params::{Format, Params, Speed};
use super::plan::{Moment, Plan};
use super::row_error::RowError;
use super::rows::{Place, Rows};

/// Broken rows that are told one by one; more are counted.
const TOLD_ROWS: usize = 100;
/// Rows between two words on the progress of sorting.
const SORT_PROGRESS_ROWS: u64 = 50_000;

/// A series that can be played.
pub(super) struct Series {
    path: PathBuf,
    folder: PathBuf,
    format: Format,
    delimiter: u8,
    plan: Plan,
    rule: Rule,
    repeat: bool,
    sort: bool,
}

/// What the reader says.
pub(super) enum Said {
    /// The rows are being put in order; so many percent are.
    Sorting(u8),
    /// The next row, and how many percent of the pass are done with it.
    Row { moment: Moment, line: u64, percent: u8 },
    /// All rows have been said.
    PassEnded { rows: u64, skipped: u64 },
}

/// Why reading ended early.
enum Stop {
    /// Nobody listens any more.
    Unheard,
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Input = Rows<BufReader<File>>;

impl Series {
    /// Opens a series and finds its columns. Relative paths begin at `folder`.
    ///
    /// # Errors
    /// When parameters contradict each other, a file cannot be opened, or a column is not there.
    pub(super) fn open(params: &Params, folder: &Path) -> Result<Self, String> {
        let path = folder.join(&params.file);
        let plan = Plan::new(params, folder)?;
        let series = Self {
            format: params.format.map_or_else(|| format_of(&path), Ok)?,
            delimiter: u8::try_from(params.delimiter)
                .ok()
                .filter(u8::is_ascii)
                .ok_or_else(|| format!("at 'delimiter': '{}' is not ASCII", params.delimiter))?,
            rule: rule(params, plan.has_time())?,
            repeat: params.repeat,
            sort: params.sort && plan.has_time(),
            folder: folder.to_owned(),
            path,
            plan,
        };
        series.start()?;
        Ok(series)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn rule(&self) -> Rule {
        self.rule
    }

    /// The name of the vThing, where it is the same in every row.
    pub(super) fn only_v_thing(&self) -> Option<String> {
        self.plan.only_v_thing()
    }

    /// Says every row, pass after pass, until nobody listens.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn tell(&self, listener: &mpsc::Sender<Said>) -> Result<(), String> {
        match self.passes(listener) {
            Ok(()) | Err(Stop::Unheard) => Ok(()),
            Err(Stop::Io(error)) => Err(format!("cannot read '{}': {error}", self.path.display())),
        }
    }

    fn passes(&self, listener: &mpsc::Sender<Said>) -> Result<(), Stop> {
        let mut broken = Broken::new(&self.path);
        let order = if self.sort { Some(self.order(&mut broken, listener)?) } else { None };
        // Rows that the file has in order are read as they come, which is faster.
        let order = order.filter(|order| !order.is_files_own());
        let without_time = if order.is_some() { broken.skipped } else { 0 };
        loop {
            broken.skipped = without_time;
            let rows = match &order {
                Some(order) => self.ordered(order, &mut broken, listener)?,
                None => self.straight(&mut broken, listener)?,
            };
            say(listener, Said::PassEnded { rows, skipped: broken.skipped })?;
            if !self.repeat || rows == 0 {
                return Ok(());
            }
        }
    }

    /// The file from its first row, the header behind it.
    fn start(&self) -> Result<(Input, Decoder), String> {
        let cannot = |error: io::Error| format!("cannot open the file '{}': {error}", self.path.display());
        let file = File::open(&self.path).map_err(cannot)?;
        if file.metadata().map_err(cannot)?.is_dir() {
            return Err(format!("'{}' is a folder, not a file", self.path.display()));
        }
        let quotes = (self.format == Format::Csv).then_some(self.delimiter);
        let mut rows = Rows::new(BufReader::new(file), quotes).map_err(cannot)?;
        let decoder = match self.format {
            Format::Jsonl => Decoder::json_lines(&self.plan.columns),
            Format::Csv => match rows.next().map_err(cannot)? {
                Some((_, Ok(header))) => {
                    Decoder::csv(Record::new(self.delimiter), header, &self.plan.columns)
                        .map_err(|error| format!("in '{}' {error}", self.path.display()))?
                }
                Some((_, Err(error))) => {
                    return Err(format!("the header of '{}' cannot be read: {error}", self.path.display()));
                }
                None => return Err(format!("'{}' is empty; it needs a header", self.path.display())),
            },
        };
        Ok((rows, decoder))
    }

    fn restart(&self) -> Result<(Input, Decoder), Stop> {
        self.start().map_err(|error| Stop::Io(io::Error::other(error)))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.path.metadata()?.len())
    }

    /// Reads every time, and finds the order of the rows.
    fn order(&self, broken: &mut Broken<'_>, listener: &mpsc::Sender<Said>) -> Result<Order, Stop> {
        let (mut rows, mut decoder) = self.restart()?;
        let (mut sorter, size, mut read) = (Sorter::new(), self.size()?, 0);
        while let Some((place, row)) = rows.next()? {
            let time = row.and_then(|row| self.plan.time(&decoder.decode(row, &self.plan.columns)?));
            match time {
                Ok(Some(at)) => {
                    sorter.push(Entry { at_ms: at.as_millisecond(), place }, &self.folder)?;
                }
                Ok(None) => {}
                Err(error) => broken.row(place, &error),
            }
            read += 1;
            if read % SORT_PROGRESS_ROWS == 0 {
                say(listener, Said::Sorting(percent(rows.offset(), size)))?;
            }
        }
        Ok(sorter.finish())
    }

    /// Says the rows as they come.
    fn straight(&self, broken: &mut Broken<'_>, listener: &mpsc::Sender<Said>) -> Result<u64, Stop> {
        let (mut rows, mut decoder) = self.restart()?;
        let (size, mut said) = (self.size()?, 0);
        while let Some((place, row)) = rows.next()? {
            let moment = row.and_then(|row| self.plan.moment(&decoder.decode(row, &self.plan.columns)?));
            let percent = percent(rows.offset(), size);
            said += self.row(place, moment, percent, broken, listener)?;
        }
        Ok(said)
    }

    /// Says the rows in the order of their time.
    fn ordered(
        &self,
        order: &Order,
        broken: &mut Broken<'_>,
        listener: &mpsc::Sender<Said>,
    ) -> Result<u64, Stop> {
        let (mut rows, mut decoder) = self.restart()?;
        let (mut walk, mut walked, mut said) = (order.walk(), 0, 0);
        while let Some(Entry { place, .. }) = walk.next()? {
            rows.seek(place)?;
            let Some((place, row)) = rows.next()? else { continue };
            let moment = row.and_then(|row| self.plan.moment(&decoder.decode(row, &self.plan.columns)?));
            walked += 1;
            said += self.row(place, moment, percent(walked, order.rows()), broken, listener)?;
        }
        Ok(said)
    }

    fn row(
        &self,
        place: Place,
        moment: Result<Moment, RowError>,
        percent: u8,
        broken: &mut Broken<'_>,
        listener: &mpsc::Sender<Said>,
    ) -> Result<u64, Stop> {
        match moment {
            Ok(moment) => say(listener, Said::Row { moment, line: place.line, percent }).map(|()| 1),
            Err(error) => {
                broken.row(place, &error);
                Ok(0)
            }
        }
    }
}

/// Broken rows: told once each, and counted.
struct Broken<'a> {
    path: &'a Path,
    told: BTreeSet<u64>,
    skipped: u64,
}

impl<'a> Broken<'a> {
    fn new(path: &'a Path) -> Self {
        Self { path, told: BTreeSet::new(), skipped: 0 }
    }

    fn row(&mut self, place: Place, error: &RowError) {
        self.skipped += 1;
        if self.told.len() >= TOLD_ROWS || !self.told.insert(place.line) {
            return;
        }
        tracing::warn!(path = %self.path.display(), row = place.line, %error, "row skipped");
        if self.told.len() == TOLD_ROWS {
            tracing::warn!(path = %self.path.display(), "further broken rows are only counted");
        }
    }
}

fn say(listener: &mpsc::Sender<Said>, said: Said) -> Result<(), Stop> {
    listener.blocking_send(said).map_err(|_| Stop::Unheard)
}

fn percent(done: u64, of: u64) -> u8 {
    (done.min(of) * 100).checked_div(of).unwrap_or(100) as u8
}

fn format_of(path: &Path) -> Result<Format, String> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(Format::Csv),
        Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
        _ => Err(format!("the format of '{}' is not clear: give 'format' as csv or jsonl", path.display())),
    }
}

fn rule(params: &Params, has_time: bool) -> Result<Rule, String> {
    match (params.speed, params.rows_per_second) {
        (Some(_), Some(_)) => Err("give either 'speed' or 'rowsPerSecond'".to_owned()),
        (Some(Speed::Max), None) => Ok(Rule::Max),
        (Some(Speed::Factor(_)), None) if !has_time => {
            Err("'speed' needs 'observedAt'; without times give 'rowsPerSecond' or the speed \"max\""
                .to_owned())
        }
        (Some(Speed::Factor(factor)), None) => Ok(Rule::Factor(factor)),
        (None, Some(rate)) if rate > 0.0 => Ok(Rule::RowsPerSecond(rate)),
        (None, Some(rate)) => Err(format!("'rowsPerSecond' is {rate}: give a number above 0")),
        (None, None) if has_time => Ok(Rule::Factor(1.0)),
        (None, None) => Ok(Rule::RowsPerSecond(1.0)),
    }
}
