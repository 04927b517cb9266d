//! Starts the controller, keeps its reconcilers running, and stops them.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use morgana_access::SigningKey;
use morgana_fabric::{Client, Event, Server};
use morgana_model::{
    ErrorCode, Failure, Metadata, Phase, Role, Secret, TenantId, User, UserSpec, UserStatus, VSiloId,
    WorkloadName,
};
use morgana_node::NodeAgent;
use morgana_store::{Expect, Kind, ListQuery, Notice, Store, Touched, Transaction};
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::controller::Means;
use crate::inbox::Inbox;
use crate::reconcile::{Housekeeping, Reconcilers, Runner, SiloConnections, WorkloadBook, Workloads};
use crate::records::UserRecord;
use crate::{AuditTrail, ConnectionIndex, Controller, Error, Options, Place, trim};

/// The user that exists from the first start.
const FIRST_ADMINISTRATOR: &str = "admin";

/// What the controller works with; the binary wires it.
pub struct Parts {
    /// The System DB.
    pub store: Arc<dyn Store>,
    /// The key that signs tokens and fabric credentials.
    pub key: SigningKey,
    /// The connections, shared with the fabric's policy.
    pub index: Arc<ConnectionIndex>,
    /// The fabric's server.
    pub fabric_server: Arc<Server>,
    /// A client of the fabric with the controller's rights, and what it receives.
    pub fabric: (Client, mpsc::Receiver<Event>),
    /// Where workloads reach the fabric.
    pub fabric_address: (IpAddr, u16),
    /// What the fabric refused, among others.
    pub audit: AuditTrail,
    /// The node agent.
    pub node: Arc<dyn NodeAgent>,
    /// The password of the first administrator, made up by the binary where none was given; asked
    /// for at the first start only.
    pub first_password: Box<dyn FnOnce() -> Secret + Send>,
}

/// The running controller.
pub struct Service {
    controller: Controller,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Service {
    /// Starts the controller: first start makes the administrator and the flavours of the binary,
    /// every start reads what is desired and begins to carry it out.
    ///
    /// # Errors
    /// When the System DB or the fabric do not answer.
    pub async fn start(options: Options, place: Place, parts: Parts) -> Result<Self, Error> {
        let Parts { store, key, index, fabric_server, fabric, fabric_address, audit, node, first_password } =
            parts;
        let (fabric, events) = fabric;
        let book = Arc::new(WorkloadBook::default());
        let controller = Controller::new(
            options.clone(),
            place,
            key.clone(),
            Arc::clone(&store),
            Arc::clone(&node),
            Means {
                book: Arc::clone(&book),
                fabric: fabric.clone(),
                fabric_address,
                published: {
                    // The server is shut down by whoever owns it last, so this does not hold it.
                    let server = Arc::downgrade(&fabric_server);
                    Arc::new(move |user| server.upgrade().map_or(0, |server| server.published_by(user)))
                },
                audit: audit.clone(),
            },
        );
        first_start(&controller, first_password).await?;
        forget_phases(&controller).await?;

        let silo_connections = Runner::new(SiloConnections {
            controller: controller.clone(),
            node: Arc::clone(&node),
            fabric: fabric.clone(),
            fabric_server: Arc::clone(&fabric_server),
            index: Arc::clone(&index),
            told: Mutex::default(),
        });
        let workloads = Runner::new(Workloads {
            controller: controller.clone(),
            node: Arc::clone(&node),
            fabric: fabric.clone(),
            fabric_server,
            fabric_address,
            key,
            book: Arc::clone(&book),
            silo_connections: Arc::clone(&silo_connections),
            given: Mutex::default(),
        });
        let housekeeping = Runner::new(Housekeeping::new(controller.clone()));
        controller.set_reconcilers(Reconcilers::new(&workloads, &silo_connections, &housekeeping));

        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        // Everything that changes is heard from here on; the timers' first round reads the rest.
        tasks.spawn(follow_store(
            Arc::clone(&store),
            Arc::clone(&workloads),
            Arc::clone(&silo_connections),
            stop.clone(),
        ));
        tasks.spawn(follow_node(node, Arc::clone(&workloads), Arc::clone(&silo_connections), stop.clone()));
        Inbox::subscribe(&fabric).await?;
        let inbox = Inbox {
            controller: controller.clone(),
            book,
            index,
            workloads: Arc::clone(&workloads),
            silo_connections: Arc::clone(&silo_connections),
        };
        tasks.spawn(until(stop.clone(), inbox.run(events)));
        let (every, at_once) = (options.resync(), options.reconcile_at_once);
        tasks.spawn(Arc::clone(&workloads).run_timer(every, stop.clone()));
        tasks.spawn(workloads.run(at_once, stop.clone()));
        tasks.spawn(Arc::clone(&silo_connections).run_timer(every, stop.clone()));
        tasks.spawn(silo_connections.run(at_once, stop.clone()));
        tasks.spawn(Arc::clone(&housekeeping).run_timer(every, stop.clone()));
        tasks.spawn(housekeeping.run(1, stop.clone()));
        tasks.spawn(until(stop.clone(), audit.write_to(controller.clone())));
        tasks.spawn(trim::run(controller.clone(), stop.clone()));
        tasks.close();
        Ok(Self { controller, stop, tasks })
    }

    /// The handle through which users ask.
    pub fn controller(&self) -> Controller {
        self.controller.clone()
    }

    /// Stops the reconcilers and lets the passes that run come to their end.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// Makes the administrator where there is no user yet, and the flavours of the binary with it.
async fn first_start(
    controller: &Controller,
    first_password: Box<dyn FnOnce() -> Secret + Send>,
) -> Result<(), Error> {
    let first = controller.users().list(ListQuery::default().limit(1)).await?.is_empty();
    controller.refresh_flavours(first).await?;
    if first {
        let id: TenantId = FIRST_ADMINISTRATOR.parse().map_err(|error: morgana_model::InvalidId| {
            Failure::new(ErrorCode::Internal, error.to_string())
        })?;
        let password = first_password();
        controller.check_new_password(&id, &password)?;
        let password_hash = controller.hash_password(password).await?;
        let user = User {
            id,
            metadata: Metadata::new(Timestamp::now()),
            spec: UserSpec { role: Role::Administrator },
            status: UserStatus::default(),
        };
        controller.users().put(&UserRecord { user, password_hash }, Expect::Absent).await?;
    }
    Ok(())
}

/// Nothing is known to run before a node has said so in this life of the controller: who waits for
/// a silo after a restart must not be told of the one before. All in one commit.
async fn forget_phases(controller: &Controller) -> Result<(), Error> {
    let known = |phase: &Phase| matches!(phase, Phase::Running | Phase::Failed { .. });
    let mut transaction = Transaction::new();
    for mut found in controller.thing_visors().all("").await? {
        if known(&found.value.status.phase) {
            found.value.status.phase = Phase::Pending;
            transaction.replace(&found)?;
        }
    }
    for mut found in controller.v_silos().all("").await? {
        if known(&found.value.status.phase) {
            found.value.status.phase = Phase::Pending;
            transaction.replace(&found)?;
        }
    }
    if !transaction.is_empty() {
        transaction.commit(controller.store()).await?;
    }
    Ok(())
}

/// Wakes the reconcilers when desired state changed.
async fn follow_store(
    store: Arc<dyn Store>,
    workloads: Arc<Runner<Workloads>>,
    silo_connections: Arc<Runner<SiloConnections>>,
    stop: CancellationToken,
) {
    let mut watch = store.watch();
    loop {
        let notice = tokio::select! {
            notice = watch.next() => notice,
            () = stop.cancelled() => return,
        };
        match notice {
            Some(Notice::Committed(commit)) => {
                for Touched { kind, key, .. } in commit.touched.iter() {
                    match kind {
                        Kind::ThingVisor => {
                            drop(key.parse().map(|id| workloads.wake(WorkloadName::ThingVisor(id))))
                        }
                        Kind::VSilo => drop(key.parse().map(|id| workloads.wake(WorkloadName::VSilo(id)))),
                        Kind::Connection => {
                            let silo = key.split(' ').next().unwrap_or_default();
                            drop(silo.parse::<VSiloId>().map(|silo| silo_connections.wake(silo)));
                        }
                        _ => {}
                    }
                }
            }
            // The timers look at everything soon enough.
            Some(Notice::Missed) => {
                tracing::warn!("changes of the system database were missed; the timer finds them")
            }
            None => return,
        }
    }
}

/// Wakes the reconcilers when a workload changed.
async fn follow_node(
    node: Arc<dyn NodeAgent>,
    workloads: Arc<Runner<Workloads>>,
    silo_connections: Arc<Runner<SiloConnections>>,
    stop: CancellationToken,
) {
    let mut reports = node.subscribe();
    loop {
        let report = tokio::select! {
            report = reports.recv() => report,
            () = stop.cancelled() => return,
        };
        let changed = match report {
            Ok(report) => vec![report],
            Err(broadcast::error::RecvError::Lagged(_)) => node.reports(),
            Err(broadcast::error::RecvError::Closed) => return,
        };
        for report in changed {
            if let WorkloadName::VSilo(silo) = &report.name {
                silo_connections.wake(silo.clone());
            }
            workloads.wake(report.name);
        }
    }
}
