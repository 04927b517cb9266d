//! What every flavour's broker is to the silo's controller.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use async_trait::async_trait;
use morgana_model::VThingId;

use crate::actuation::{Pipes, Written};
use crate::controller::Update;
use crate::error::RunError;

/// Where a silo listens: inner port to the address of the door.
pub type Doors = BTreeMap<u16, SocketAddr>;

/// Changes of pipes that wait until the silo takes them: more than a tenant writes while the silo does one thing.
pub(crate) const WATCH_CAPACITY: usize = 65_536;

/// What happens in a broker.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The tenant wrote into pipes.
    Written(Vec<Written>),
    /// The broker has lost what was shown, so that [`SiloBroker::restore`] is due.
    Lost,
}

/// The tenant's broker, and what the silo has put into it.
///
/// It serves the tenant's applications by itself from the moment it is made; nothing here is needed
/// for that, so a silo serves while the fabric is away. A broker remembers through restarts which
/// vThings are connected and what each gave.
///
/// An update that cannot be shown (a broker refuses it, an id is too long) is logged, counted and
/// left out; the others go on. So there is no error to handle for the controller.
#[async_trait]
pub(crate) trait SiloBroker: Send + Sync {
    /// The doors that are open.
    fn doors(&self) -> Doors;

    /// The vThings that were connected when the last run ended.
    fn v_things(&self) -> Vec<VThingId>;

    /// Remembers that a vThing is connected.
    async fn connect(&mut self, v_thing: &VThingId);

    /// Shows what vThings gave. They are connected.
    async fn merge(&mut self, updates: Vec<Update>);

    /// Erases what this vThing gave and no other connected vThing did, and forgets the vThing. Gives the vThings
    /// whose whole context is wanted now: some of it had no place beside this one.
    async fn disconnect(&mut self, v_thing: &VThingId) -> Vec<VThingId>;

    /// Shows the pipes of commands, those that are not there yet; what is in the others stays.
    async fn open_pipes(&mut self, pipes: &[Pipes]);

    /// Lets the tenant in, where opening the broker did not.
    fn serve(&mut self);

    /// Waits for what happens in the broker. It may be dropped at any await.
    ///
    /// # Errors
    /// When the broker cannot serve any more.
    async fn next(&mut self) -> Result<Happened, RunError>;

    /// Shows everything again that it remembers.
    async fn restore(&mut self);

    /// Lets what runs finish, and puts the state away.
    async fn close(self: Box<Self>);
}
