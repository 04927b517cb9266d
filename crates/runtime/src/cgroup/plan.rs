use super::own::Controller;
use crate::Limits;

/// The period in which processor time is shared out, in µs: the kernel's own default.
const CPU_PERIOD_US: u64 = 100_000;

/// The two interfaces of the kernel: cgroup-v1/ and cgroup-v2.rst in its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A text to write to a file of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) file: &'static str,
    pub(crate) text: String,
    /// Without it there is no limit; the others depend on how the kernel was built.
    pub(crate) required: bool,
}

/// What to write to limit a group, in this order.
pub(crate) fn settings(version: Version, controller: Controller, limits: &Limits) -> Vec<Setting> {
    let required = |file, text: String| Setting { file, text, required: true };
    let optional = |file, text: String| Setting { file, text, required: false };
    let memory = (limits.memory_mib * 1024 * 1024).to_string();
    let quota = u64::from(limits.cpu_percent) * CPU_PERIOD_US / 100;
    match (version, controller) {
        // Memory and swap together have the same limit as memory: there is no way out into swap.
        (Version::V1, Controller::Memory) => vec![
            required("memory.limit_in_bytes", memory.clone()),
            optional("memory.memsw.limit_in_bytes", memory),
        ],
        (Version::V2, Controller::Memory) => vec![
            required("memory.max", memory),
            optional("memory.swap.max", "0".to_owned()),
            optional("memory.oom.group", "1".to_owned()),
        ],
        (Version::V1, Controller::Cpu) => vec![
            required("cpu.cfs_period_us", CPU_PERIOD_US.to_string()),
            required("cpu.cfs_quota_us", quota.to_string()),
        ],
        (Version::V2, Controller::Cpu) => vec![required("cpu.max", format!("{quota} {CPU_PERIOD_US}"))],
        (_, Controller::Pids) => vec![required("pids.max", limits.processes.to_string())],
    }
}

/// The file that counts the processes which the kernel killed for memory.
pub(crate) fn oom_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    }
}

/// The count in that file: its line `oom_kill <n>`.
pub(crate) fn oom_kills(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// For people: what holds for a workload whose `limited` controllers work.
pub(crate) fn describe(limited: &[(Version, Controller)], problem: Option<&str>, limits: &Limits) -> String {
    if limited.is_empty() {
        return format!("no limits: {}", problem.unwrap_or("this machine has no cgroups"));
    }
    let is_limited = |controller| limited.iter().any(|(_, limited)| *limited == controller);
    let figure = |controller| match controller {
        Controller::Memory => format!("memory {} MiB", limits.memory_mib),
        Controller::Cpu => format!("cpu {} %", limits.cpu_percent),
        Controller::Pids => format!("{} processes", limits.processes),
    };
    let figures: Vec<_> = Controller::ALL.into_iter().filter(|c| is_limited(*c)).map(figure).collect();
    let missing: Vec<_> =
        Controller::ALL.into_iter().filter(|c| !is_limited(*c)).map(|c| c.to_string()).collect();
    let has = |version| limited.iter().any(|(of, _)| *of == version);
    let version = match (has(Version::V1), has(Version::V2)) {
        (true, true) => "cgroup v1 and v2",
        (true, false) => "cgroup v1",
        _ => "cgroup v2",
    };
    let mut text = format!("{} ({version})", figures.join(", "));
    if !missing.is_empty() {
        text.push_str(&format!("; no limit on {}", missing.join(", ")));
        if let Some(problem) = problem {
            text.push_str(&format!(": {problem}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { memory_mib: 64, cpu_percent: 50, processes: 10 };

    fn written(version: Version) -> Vec<String> {
        let all = Controller::ALL.into_iter().flat_map(|controller| settings(version, controller, &LIMITS));
        all.map(|setting| format!("{}={}", setting.file, setting.text)).collect()
    }

    #[test]
    fn limits_are_written_as_each_version_wants_them() {
        assert_eq!(
            written(Version::V1),
            [
                "memory.limit_in_bytes=67108864",
                "memory.memsw.limit_in_bytes=67108864",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "pids.max=10",
            ]
        );
        assert_eq!(
            written(Version::V2),
            [
                "memory.max=67108864",
                "memory.swap.max=0",
                "memory.oom.group=1",
                "cpu.max=50000 100000",
                "pids.max=10",
            ]
        );
    }

    #[test]
    fn memory_kills_are_counted_in_both_versions() {
        assert_eq!(oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(oom_kills("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(oom_kills(""), 0);
    }

    #[test]
    fn the_status_text_says_which_limits_hold_and_which_do_not() {
        let all = Controller::ALL.map(|controller| (Version::V1, controller));
        assert_eq!(describe(&all, None, &LIMITS), "memory 64 MiB, cpu 50 %, 10 processes (cgroup v1)");
        assert_eq!(
            describe(&[(Version::V2, Controller::Pids)], Some("not delegated"), &LIMITS),
            "10 processes (cgroup v2); no limit on memory, cpu: not delegated"
        );
        assert_eq!(describe(&[], Some("permission denied"), &LIMITS), "no limits: permission denied");
    }
}
