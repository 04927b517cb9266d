//! How much memory is in use: `/proc/meminfo` (proc_meminfo(5)).

use morgana_thingvisor::Entity;
use procfs::Meminfo;

use super::machine::Machine;
use super::reading::{Reading, percent, unit};

pub(super) fn read(machine: &Machine, reading: &Reading) -> Result<Vec<Entity>, String> {
    let memory: Meminfo = machine.proc("meminfo")?;
    let available = memory.mem_available.unwrap_or(memory.mem_free);
    let used = memory.mem_total.saturating_sub(available);
    let entity = reading
        .entity("Memory", None)
        .measured("total", memory.mem_total, unit::BYTE)
        .measured("available", available, unit::BYTE)
        .measured("used", used, unit::BYTE)
        .measured("usedPercent", percent(used, memory.mem_total), unit::PERCENT)
        .measured("swapTotal", memory.swap_total, unit::BYTE)
        .measured("swapUsed", memory.swap_total.saturating_sub(memory.swap_free), unit::BYTE)
        .build()?;
    Ok(vec![entity])
}
