//! The process runtime passes the suite of runtimes, with cgroups and without.
#![allow(clippy::unwrap_used)]

mod common;

mod with_cgroups {
    use crate::common::Programs;

    morgana_runtime::conformance_suite!(Programs::new(true));
}

mod without_cgroups {
    use crate::common::Programs;

    morgana_runtime::conformance_suite!(Programs::new(false));
}
