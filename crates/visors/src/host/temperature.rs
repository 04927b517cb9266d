//! How hot the processors are: `/sys/class/hwmon` and, where that has no processor,
//! `/sys/class/thermal` (the kernel's documentation, hwmon/sysfs-interface and
//! driver-api/thermal/sysfs-api). Virtual machines mostly have neither.

use std::path::Path;

use morgana_thingvisor::Entity;

use super::machine::Machine;
use super::reading::{Reading, unit};

/// Drivers of processors' sensors.
const DRIVERS: [&str; 6] = ["coretemp", "k10temp", "k8temp", "zenpower", "cpu_thermal", "via_cputemp"];

pub(super) fn read(machine: &Machine, reading: &Reading) -> Result<Vec<Entity>, String> {
    let mut temperatures = Vec::new();
    for chip in machine.folder("sys/class/hwmon") {
        temperatures.extend(chip_temperatures(&chip));
    }
    if temperatures.is_empty() {
        temperatures
            .extend(machine.folder("sys/class/thermal").iter().filter_map(|zone| zone_temperature(zone)));
    }
    let entity = |(name, degrees): &(String, f64)| {
        reading
            .entity("CpuTemperature", Some(name))
            .fixed("sensor", name.as_str())
            .measured("temperature", *degrees, unit::CELSIUS)
            .build()
    };
    temperatures.iter().map(entity).collect()
}

fn chip_temperatures(chip: &Path) -> Vec<(String, f64)> {
    let driver = Machine::sys(&chip.join("name")).unwrap_or_default();
    if !DRIVERS.contains(&driver.as_str()) {
        return Vec::new();
    }
    // A machine with two processors has two chips of one driver.
    let chip_name = chip.file_name().unwrap_or_default().to_string_lossy();
    let temperature = |number: usize| {
        let degrees = degrees(&chip.join(format!("temp{number}_input")))?;
        let label = Machine::sys(&chip.join(format!("temp{number}_label")));
        let label = label.unwrap_or_else(|| format!("temp{number}"));
        Some((format!("{driver} {chip_name} {label}"), degrees))
    };
    // Numbers may have gaps (a core that is off), so all that a chip may have are tried.
    (1..=128).filter_map(temperature).collect()
}

fn zone_temperature(zone: &Path) -> Option<(String, f64)> {
    let kind = Machine::sys(&zone.join("type"))?;
    let of_cpu =
        kind == "x86_pkg_temp" || kind.to_ascii_lowercase().starts_with("cpu") || kind == "soc-thermal";
    if !of_cpu {
        return None;
    }
    let zone_name = zone.file_name().unwrap_or_default().to_string_lossy();
    Some((format!("{kind} {zone_name}"), degrees(&zone.join("temp"))?))
}

/// The kernel writes thousandths of a degree.
fn degrees(path: &Path) -> Option<f64> {
    Some(Machine::sys(path)?.parse::<i32>().ok()? as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::*;

    fn temperatures(files: &[(&str, &str)]) -> Vec<(String, f64)> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join("sys/class").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::at(folder.path());
        let entities = read(&machine, &Reading::new(&"host", "h", Timestamp::UNIX_EPOCH)).unwrap();
        let value = |entity: &Entity| entity.get("temperature").unwrap()["value"].as_f64().unwrap();
        entities.iter().map(|entity| (entity.id().to_owned(), value(entity))).collect()
    }

    #[test]
    fn processors_are_read_and_other_chips_are_not() {
        let read = temperatures(&[
            ("hwmon/hwmon0/name", "nvme\n"),
            ("hwmon/hwmon0/temp1_input", "30000\n"),
            ("hwmon/hwmon1/name", "coretemp\n"),
            ("hwmon/hwmon1/temp1_input", "45500\n"),
            ("hwmon/hwmon1/temp1_label", "Package id 0\n"),
            ("hwmon/hwmon1/temp3_input", "-1000\n"),
            ("hwmon/hwmon1/temp4_input", "broken\n"),
            ("thermal/thermal_zone0/type", "x86_pkg_temp\n"),
            ("thermal/thermal_zone0/temp", "44000\n"),
        ]);
        let id = |part: &str| format!("urn:ngsi-ld:CpuTemperature:host:coretemp-hwmon1-{part}");
        assert_eq!(read, [(id("Package-id-0"), 45.5), (id("temp3"), -1.0)]);
    }

    #[test]
    fn thermal_zones_stand_in() {
        let read = temperatures(&[
            ("thermal/thermal_zone0/type", "acpitz\n"),
            ("thermal/thermal_zone0/temp", "20000\n"),
            ("thermal/thermal_zone1/type", "cpu-thermal\n"),
            ("thermal/thermal_zone1/temp", "51234\n"),
        ]);
        assert_eq!(read, [("urn:ngsi-ld:CpuTemperature:host:cpu-thermal-thermal_zone1".to_owned(), 51.234)]);
    }
}
