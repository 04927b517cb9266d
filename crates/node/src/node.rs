use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use morgana_model::WorkloadName;
use morgana_runtime::{Log, ProcessOptions, ProcessRuntime, Runtime, Usage};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, broadcast};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::folders;
use crate::notify_socket::SocketFolder;
use crate::ports::Ports;
use crate::shared::{Entry, Reports, Shared};
use crate::workload::{Command, Workload};
use crate::{Assignment, Error, Inventory, NodeAgent, Options, Report};

/// The node agent of this machine. Its workloads run until [`NodeAgent::shutdown`]; where the
/// tokio runtime or the program ends without it, they are killed.
#[derive(Debug, Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

impl Node {
    /// Starts the agent with the process runtime. What an agent before it has left running is
    /// ended; nothing runs until it is assigned.
    ///
    /// # Errors
    /// When the data folder cannot be used.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let runtime = ProcessRuntime::new(ProcessOptions {
            program: options.program.clone(),
            state_dir: options.state_dir(),
            ..ProcessOptions::default()
        })?;
        Self::with_runtime(options, Arc::new(runtime)).await
    }

    /// The same with a runtime of the caller's.
    ///
    /// # Errors
    /// When the data folder cannot be used.
    pub async fn with_runtime(options: Options, runtime: Arc<dyn Runtime>) -> Result<Self, Error> {
        folders::create(&options.data_dir)?;
        let data_dir =
            fs::canonicalize(&options.data_dir).map_err(Error::file("find the folder", &options.data_dir))?;
        let workloads_dir = options.workloads_dir.as_deref().unwrap_or(&data_dir);
        folders::create(workloads_dir)?;
        let workloads_dir =
            fs::canonicalize(workloads_dir).map_err(Error::file("find the folder", workloads_dir))?;
        for name in runtime.end_leftovers().await? {
            tracing::info!(workload = %name, "was left running by the agent before");
        }
        let shared = Shared {
            ports: Ports::new(options.door_ports.clone(), options.listen),
            sockets: SocketFolder::new(data_dir.join("run"))?,
            next_socket: AtomicU64::new(0),
            starts: Arc::new(Semaphore::new(options.start_concurrency.max(1))),
            workloads: Mutex::new(HashMap::new()),
            reports: Reports::new(options.report_queue),
            workloads_dir,
            runtime,
            options,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sends a command to the task of a workload, which is made when there is none.
    async fn send(&self, name: &WorkloadName, mut command: Command) -> Result<(), Error> {
        loop {
            if self.shared.starts.is_closed() {
                return Err(Error::ShuttingDown);
            }
            let entry = {
                let mut workloads = self.shared.workloads.lock();
                let known = workloads.entry(name.clone());
                known.or_insert_with(|| Workload::spawn(&self.shared, name)).clone()
            };
            match entry.commands.send(command).await {
                Ok(()) => return Ok(()),
                // The task has just ended; the next one takes it.
                Err(refused) => command = refused.0,
            }
        }
    }

    fn entries(&self) -> Vec<(WorkloadName, Entry)> {
        let workloads = self.shared.workloads.lock();
        workloads.iter().map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    fn log(&self, name: &WorkloadName) -> Result<Arc<Log>, Error> {
        let workloads = self.shared.workloads.lock();
        let log = workloads.get(name).and_then(|entry| entry.slot.lock().log.clone());
        log.ok_or_else(|| Error::Unknown(name.clone()))
    }
}

#[async_trait]
impl NodeAgent for Node {
    async fn assign(&self, assignment: Assignment) -> Result<(), Error> {
        let name = assignment.name.clone();
        self.send(&name, Command::Assign(Box::new(assignment))).await
    }

    async fn remove(&self, name: &WorkloadName) -> Result<(), Error> {
        self.send(name, Command::Remove).await
    }

    fn reports(&self) -> Vec<Report> {
        self.shared.reports.latest()
    }

    fn subscribe(&self) -> broadcast::Receiver<Report> {
        self.shared.reports.subscribe()
    }

    async fn log_tail(&self, name: &WorkloadName, lines: usize) -> Result<Vec<String>, Error> {
        let log = self.log(name)?;
        log.tail(lines).map_err(Error::file("read the log of", name.to_string()))
    }

    async fn log_follow(
        &self,
        name: &WorkloadName,
        lines: usize,
    ) -> Result<BoxStream<'static, String>, Error> {
        let log = self.log(name)?;
        let (past, coming) = log.follow(lines).map_err(Error::file("read the log of", name.to_string()))?;
        let coming = BroadcastStream::new(coming).map(|line| match line {
            Ok(line) => line,
            Err(BroadcastStreamRecvError::Lagged(missing)) => {
                format!("… {missing} lines are missing here: they came faster than they were read")
            }
        });
        Ok(stream::iter(past).chain(coming).boxed())
    }

    async fn usage(&self) -> BTreeMap<WorkloadName, Usage> {
        let entries = self.entries();
        let read = move || {
            let of = |(name, entry): (WorkloadName, Entry)| {
                let instance = entry.slot.lock().instance.clone();
                Some((name, instance?.usage()?))
            };
            entries.into_iter().filter_map(of).collect()
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }

    fn inventory(&self) -> Inventory {
        Inventory::of_this_machine(self.shared.runtime.limits_text(&self.shared.options.limits))
    }

    async fn shutdown(&self) {
        // Also the mark that no command is taken any more.
        self.shared.starts.close();
        let entries = self.entries();
        for (_, entry) in &entries {
            let _ = entry.commands.send(Command::ShutDown).await;
        }
        for (_, entry) in &entries {
            entry.commands.closed().await;
        }
        self.shared.runtime.tidy();
    }
}
