//! Plays a time series as vThings.

mod cells;
mod decode;
mod order;
mod pace;
mod params;
mod places;
mod plan;
mod progress;
mod row_error;
mod rows;
mod series;
mod template;
#[cfg(test)]
mod tests;
mod time;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use morgana_thingvisor::{Error, NewVThing, RunError, ThingVisor, Update, VThing};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::catalogue::{Builtin, Param};
use pace::Pace;
use params::Params;
use plan::Moment;
use progress::Progress;
use series::{Said, Series};

/// Rows that are read ahead of their time.
const READ_AHEAD_ROWS: usize = 64;

pub(crate) const BUILTIN: Builtin = Builtin {
    kind: "replay",
    description: "plays a time series in a CSV or JSON-lines file as vThings, in real time or faster",
    doors: &[],
    params: &[
        Param::required("file", "the path of the file: absolute, or in the ThingVisor's data folder"),
        Param::required("entity", "{\"id\", \"type\"} of the entity of a row; {column} stands for a value"),
        Param::required(
            "properties",
            "by name: a column, or {\"column\" or \"value\", \"type\": number|text|boolean|json, \"unitCode\", \"optional\", \"observed\"}",
        ),
        Param::optional("format", "by the file's name", "csv or jsonl"),
        Param::optional("delimiter", "\",\"", "what is between the columns of a CSV file"),
        Param::optional(
            "vThing",
            "\"series\"",
            "the local name of the vThing; {column} makes one for each value",
        ),
        Param::optional(
            "observedAt",
            "none",
            "when a row was observed: a column, or {\"column\" or \"columns\", \"format\", \"timeZone\"}",
        ),
        Param::optional(
            "location",
            "none",
            "{\"latitudeColumn\", \"longitudeColumn\"}, or {\"lookup\": {\"file\", \"key\", \"column\", \"latitude\", \"longitude\"}}",
        ),
        Param::optional("speed", "1", "how many times as fast as it was, or \"max\""),
        Param::optional("rowsPerSecond", "1 without observedAt", "a fixed rate instead of a speed"),
        Param::optional("loop", "false", "start again at the end"),
        Param::optional(
            "sort",
            "true",
            "play rows in the order of observedAt, whatever their order in the file",
        ),
    ],
};

/// Plays until it is over, and over again with new parameters.
pub(crate) async fn work(visor: ThingVisor) -> Result<(), RunError> {
    let folder = visor.environment().data.clone();
    let mut updates = visor.clone();
    let mut params: Params = visor.params()?;
    let mut series = Series::open(&params, &folder)
        .map_err(|error| RunError::Configuration(format!("ThingVisor '{}': {error}", visor.id())))?;
    let mut stage = HashMap::new();
    loop {
        let (new, next) = {
            let playing = play(&visor, series, &mut stage);
            tokio::pin!(playing);
            let mut over = false;
            loop {
                tokio::select! {
                    played = &mut playing, if !over => {
                        played?;
                        over = true;
                    }
                    update = updates.updated() => match accept(&visor, &params, &update) {
                        Ok(Some(next)) => break next,
                        Ok(None) => tracing::info!("the parameters are the same: the series goes on"),
                        Err(error) => {
                            tracing::warn!(%error, "new parameters refused: the series goes on with the old ones");
                            visor.status(format!("new parameters refused: {error}")).await?;
                        }
                    },
                }
            }
        };
        // Deleting a vThing takes it from every tenant that has it, so it stays where it can.
        if (&new.v_thing, &new.entity) != (&params.v_thing, &params.entity) {
            for (_, v_thing) in stage.drain() {
                v_thing.delete().await?;
            }
        }
        (params, series) = (new, next);
    }
}

/// New parameters and their series; nothing where they are the old ones.
fn accept(visor: &ThingVisor, old: &Params, update: &Update) -> Result<Option<(Params, Series)>, RunError> {
    let params: Params = morgana_thingvisor::read_params(visor.id(), &update.params)?;
    if params == *old {
        return Ok(None);
    }
    let series = Series::open(&params, &visor.environment().data).map_err(RunError::Configuration)?;
    Ok(Some((params, series)))
}

type Stage = HashMap<String, VThing>;

async fn play(visor: &ThingVisor, series: Series, stage: &mut Stage) -> Result<(), RunError> {
    if let Some(name) = series.only_v_thing() {
        v_thing(visor, &series, stage, &name).await?;
    }
    // A series that began before anybody could hear it would begin without them.
    visor.ready().await?;
    let series = Arc::new(series);
    let (listener, mut heard) = mpsc::channel(READ_AHEAD_ROWS);
    let teller = Arc::clone(&series);
    let reader = tokio::task::spawn_blocking(move || teller.tell(&listener));
    let mut pace = Pace::new(series.rule());
    let mut progress = Progress::default();
    while let Some(said) = heard.recv().await {
        let now = Instant::now();
        let words = match said {
            Said::Sorting(percent) => progress.sorting(percent, now),
            Said::Row { moment, line, percent } => {
                let due = pace.due(moment.at, now);
                // A timer ticks in milliseconds: too coarse for a row that is due.
                if due > now {
                    sleep_until(due.into()).await;
                }
                let at = moment.at;
                match publish(visor, &series, stage, moment).await {
                    Ok(()) => {}
                    Err(Error::Stopping) => return Err(Error::Stopping.into()),
                    Err(error) => {
                        tracing::warn!(path = %series.path().display(), row = line, %error, "row skipped");
                        progress.skipped();
                    }
                }
                progress.row(percent, at, Instant::now())
            }
            Said::PassEnded { rows, skipped } => {
                pace = Pace::new(series.rule());
                Some(progress.pass_ended(rows, skipped))
            }
        };
        if let Some(words) = words {
            tracing::info!(path = %series.path().display(), "{words}");
            visor.status(words).await?;
        }
    }
    reader.await.map_err(RunError::failed)?.map_err(RunError::failed)
}

async fn publish(
    visor: &ThingVisor,
    series: &Series,
    stage: &mut Stage,
    moment: Moment,
) -> Result<(), Error> {
    let v_thing = v_thing(visor, series, stage, &moment.v_thing).await?;
    v_thing.publish_changes(moment.entity).await
}

async fn v_thing<'a>(
    visor: &ThingVisor,
    series: &Series,
    stage: &'a mut Stage,
    name: &str,
) -> Result<&'a VThing, Error> {
    if !stage.contains_key(name) {
        let file = series.path().file_name().unwrap_or_default().to_string_lossy();
        let new = NewVThing::new(name).description(format!("replays {file}"));
        stage.insert(name.to_owned(), visor.create(new).await?);
    }
    // It was there, or has just been inserted.
    stage.get(name).ok_or(Error::Stopping)
}
