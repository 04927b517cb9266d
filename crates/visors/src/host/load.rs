//! How busy the processors are: `/proc/loadavg` (proc_loadavg(5)).

use std::thread::available_parallelism;

use morgana_thingvisor::Entity;
use procfs::LoadAverage;

use super::machine::Machine;
use super::reading::{Reading, unit};

pub(super) fn read(machine: &Machine, reading: &Reading) -> Result<Vec<Entity>, String> {
    let load: LoadAverage = machine.proc("loadavg")?;
    let mut thing = reading.entity("SystemLoad", None);
    if let Ok(processors) = available_parallelism() {
        thing = thing.fixed("processors", processors.get());
    }
    let entity = thing
        .measured("load1", rounded(load.one), unit::PIECE)
        .measured("load5", rounded(load.five), unit::PIECE)
        .measured("load15", rounded(load.fifteen), unit::PIECE)
        .measured("runnableTasks", load.cur, unit::PIECE)
        .measured("tasks", load.max, unit::PIECE)
        .build()?;
    Ok(vec![entity])
}

/// The kernel gives two digits; a binary fraction of 32 bits would show more.
fn rounded(load: f32) -> f64 {
    (f64::from(load) * 100.0).round() / 100.0
}
