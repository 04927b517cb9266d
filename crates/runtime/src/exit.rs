use std::fmt;

/// How a workload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this status (`morgana_workload` has the ones that mean something).
    Status(u8),
    /// A signal ended it.
    Signal(i32),
    /// The kernel killed it because it asked for more memory than it may have.
    OverMemory {
        /// Its limit, in MiB.
        limit_mib: u64,
    },
    /// It is gone, and nobody could see how.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => match rustix::process::Signal::from_named_raw(*signal) {
                Some(named) => write!(f, "killed by signal {signal} ({named:?})"),
                None => write!(f, "killed by signal {signal}"),
            },
            Self::OverMemory { limit_mib } => write!(f, "killed: over its memory limit of {limit_mib} MiB"),
            Self::Unknown => f.write_str("ended, nobody saw how"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_words() {
        assert_eq!(Exit::Status(1).to_string(), "exit status 1");
        assert!(Exit::Signal(9).to_string().starts_with("killed by signal 9"));
        assert_eq!(Exit::OverMemory { limit_mib: 64 }.to_string(), "killed: over its memory limit of 64 MiB");
    }
}
