//! The process runtime: a workload is a session of operating-system processes.
//!
//! - It gets a cleared environment, an own session and process group, its data folder as working
//!   directory, and its cgroup before it runs its first instruction ([`command`]).
//! - No process of it outlives it: when its first process ends, the cgroup (or, where there is
//!   none, everything with its mark in the environment) is killed ([`instance`]).
//! - No process of it outlives the agent: the kernel kills the first one when the agent dies
//!   ([`spawner`]), and a process that waits for that ends what is left ([`keeper`]), by the records
//!   of what ran ([`record`]). Where that was killed, too, the next agent does it.
//! - What it prints goes through a pipe into its [`Log`](crate::Log), which has a largest size
//!   ([`output`]).
//!
//! All workloads run as the user of the agent: cgroups keep them from starving each other, file
//! modes keep other users out, but a hostile `exec:` program can still read what that user can.

mod command;
mod instance;
mod keeper;
mod output;
mod proc;
mod record;
mod spawner;

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use morgana_model::{ImageName, WorkloadKind, WorkloadName};
use serde::{Deserialize, Serialize};

use self::instance::ProcessInstance;
pub use self::keeper::Keeper;
use self::record::Record;
use self::spawner::Spawner;
use crate::cgroup::Cgroups;
use crate::{Error, Instance, Launch, Limits, Runtime};

/// How the process runtime works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessOptions {
    /// The program that `builtin:` images run; nothing is the program that runs now.
    pub program: Option<PathBuf>,
    /// Where the records of what runs are kept, for the agent after this one. It is created when
    /// missing. One agent at a time may use it.
    pub state_dir: PathBuf,
    /// Whether to use cgroups where the machine has them.
    pub cgroups: bool,
    /// How many starts may wait for the thread that makes processes.
    pub start_queue: usize,
}

impl Default for ProcessOptions {
    fn default() -> Self {
        Self { program: None, state_dir: PathBuf::from("runtime"), cgroups: true, start_queue: 64 }
    }
}

/// Runs `builtin:` and `exec:` images as processes. When it is dropped, all of them end.
#[derive(Debug)]
pub struct ProcessRuntime {
    program: PathBuf,
    state_dir: PathBuf,
    spawner: Spawner,
    cgroups: Cgroups,
    /// What tells the marks of this agent's workloads from those of another agent on the same folders.
    agent: String,
}

impl ProcessRuntime {
    /// Sets the runtime up: its folder, its cgroups, its thread.
    ///
    /// # Errors
    /// When the folder cannot be made, or the program that runs now cannot be found.
    pub fn new(options: ProcessOptions) -> Result<Self, Error> {
        let folder = &options.state_dir;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(Error::file("create the folder", folder))?;
        let state_dir = fs::canonicalize(folder).map_err(Error::file("find the folder", folder))?;
        let program = match options.program {
            Some(program) => fs::canonicalize(&program).map_err(Error::file("find the program", &program))?,
            None => std::env::current_exe().map_err(Error::file("find the program", "/proc/self/exe"))?,
        };
        let cgroups = match options.cgroups {
            true => Cgroups::set_up(&cgroup_name(&state_dir)),
            false => Cgroups::without("they are turned off"),
        };
        tracing::info!(limits = cgroups.describe(&Limits::default()), "process runtime is set up");
        let spawner = Spawner::start(options.start_queue)
            .map_err(Error::file("start the thread that starts processes of", &program))?;
        let own = rustix::process::getpid();
        let since = proc::start_ticks(own).unwrap_or_default();
        let agent = format!("{}.{since}", own.as_raw_nonzero());
        Ok(Self { program, state_dir, spawner, cgroups, agent })
    }

    fn record_path(&self, name: &WorkloadName) -> PathBuf {
        self.state_dir.join(format!("{}.json", segment(name)))
    }

    /// The mark of a workload's processes: its folder, and whose they are.
    fn mark(&self, launch: &Launch) -> OsString {
        let mut mark = launch.data.clone().into_os_string();
        mark.push(format!("#{}", self.agent));
        mark
    }
}

#[async_trait]
impl Runtime for ProcessRuntime {
    fn check(&self, image: &ImageName) -> Result<(), Error> {
        command::program(image, &self.program, WorkloadKind::VSilo).map(drop)
    }

    async fn start(&self, launch: Launch) -> Result<Arc<dyn Instance>, Error> {
        let program = command::program(&launch.image, &self.program, launch.name.kind())?;
        let group = self.cgroups.create(&segment(&launch.name), &launch.limits);
        let failed = |source| Error::Start { name: launch.name.clone(), image: launch.image.clone(), source };
        let mark = self.mark(&launch);
        let result = match command::prepare(program, &launch, &mark, &group) {
            Ok((command, output)) => self.spawner.spawn(command).await.map(|child| (child, output)),
            Err(error) => Err(error),
        };
        match result {
            Ok((child, output)) => {
                let path = self.record_path(&launch.name);
                let record = Record::of(&launch, &mark, &child, &group);
                let started = ProcessInstance::watch(child, output, group, &launch, mark, path);
                let instance = started.map_err(failed)?;
                record.write(&self.record_path(&launch.name));
                Ok(Arc::new(instance))
            }
            Err(error) => {
                group.end().await;
                Err(failed(error))
            }
        }
    }

    async fn end_leftovers(&self) -> Result<Vec<WorkloadName>, Error> {
        let names = record::end_all(&self.state_dir).await?;
        for group in self.cgroups.left_over() {
            group.end().await;
        }
        Ok(names)
    }

    fn tidy(&self) {
        self.cgroups.remove();
    }

    fn limits_text(&self, limits: &Limits) -> String {
        self.cgroups.describe(limits)
    }
}

/// The workload's name as one path segment; the ids in it are such segments already.
fn segment(name: &WorkloadName) -> String {
    name.to_string().replace('/', "-")
}

/// The name of this agent's cgroups: the same for the next agent on the same folder, another for
/// an agent on another folder.
fn cgroup_name(state_dir: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    state_dir.hash(&mut hasher);
    format!("morgana-{:016x}", hasher.finish())
}
