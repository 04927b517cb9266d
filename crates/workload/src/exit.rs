//! What the exit status of a workload tells its node, after BSD's `sysexits.h`.

/// `EX_CONFIG`: its parameters are wrong; starting it again cannot help.
pub const EXIT_CONFIGURATION: u8 = 78;

/// `EX_UNAVAILABLE`: another program has one of its ports; with other ports it would start.
pub const EXIT_PORT_TAKEN: u8 = 69;
