use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use morgana_model::{ImageName, WorkloadName};

use crate::{Error, Exit, Limits, Log};

/// What runs workloads. One for each way to run one: as a process, in a container, ….
#[async_trait]
pub trait Runtime: fmt::Debug + Send + Sync {
    /// Whether it can run this image at all; quick, and without side effects.
    ///
    /// # Errors
    /// When it cannot; [`Error::is_permanent`] tells whether it may help to ask again later.
    fn check(&self, image: &ImageName) -> Result<(), Error>;

    /// Starts a workload. It runs when this returns; whether it is ready, it tells by itself.
    ///
    /// # Errors
    /// When it could not be started; then nothing of it is left running.
    async fn start(&self, launch: Launch) -> Result<Arc<dyn Instance>, Error>;

    /// Ends what an agent that was killed has left running, and tells the names of those
    /// workloads. To be called once, before the first start.
    ///
    /// # Errors
    /// When the records of what ran cannot be read.
    async fn end_leftovers(&self) -> Result<Vec<WorkloadName>, Error>;

    /// Removes what it has made on the machine outside its folders, as far as it is not in use: for
    /// the end of the agent. A start after it makes it again.
    fn tidy(&self);

    /// For people: which limits it can set on this machine, or why it cannot.
    fn limits_text(&self, limits: &Limits) -> String;
}

/// All that a runtime must know to start a workload.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Which workload it is.
    pub name: WorkloadName,
    /// What to run.
    pub image: ImageName,
    /// The environment, beside the few variables that every program needs.
    pub variables: BTreeMap<String, String>,
    /// The folder that is its own, and its working directory. It exists.
    pub data: PathBuf,
    /// Where what it prints goes.
    pub log: Arc<Log>,
    /// What it may use.
    pub limits: Limits,
}

/// A workload that was started.
#[async_trait]
pub trait Instance: fmt::Debug + Send + Sync {
    /// Its first process, where it has one on this machine.
    fn pid(&self) -> Option<u32>;

    /// For people: the limits that hold for it, or why there are none.
    fn limits(&self) -> &str;

    /// Waits until it has ended, with everything it had started. Any number of callers may wait;
    /// each gets the same answer, also after the end. What it printed is in the log by then.
    async fn wait(&self) -> Exit;

    /// Asks it to end, and kills what is left of it after `grace`. Returns when nothing of it runs.
    async fn terminate(&self, grace: Duration) -> Exit;

    /// What it uses now; nothing when it has ended.
    fn usage(&self) -> Option<Usage>;
}

/// What a workload uses of its node.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Resident memory of all its processes, in bytes.
    pub rss_bytes: u64,
    /// Processor time of all its processes since they started, in seconds.
    pub cpu_seconds: f64,
    /// How many processes it has.
    pub processes: u32,
}
