//! Those who ask: tenants who rent, connect and give back, and the administrator.

use std::sync::Arc;
use std::time::Duration;

use morgana_client::{Client, Error};
use morgana_model::{Credentials, ErrorCode, Secret, ThingVisorId, VSiloId, VThingId};
use morgana_testbed::{add_silo, add_thing_visor};
use rand::random_range;
use serde_json::json;

use crate::Address;
use crate::ledger::{Ledger, Outcome, State};

/// The one vThing of each ThingVisor.
const THING: &str = "thing";
/// Requests for each thing of a client's own, on average.
const REQUESTS_EACH: usize = 8;

/// Somebody with a session, which is renewed when it is over.
pub(crate) struct User {
    address: Address,
    user: morgana_testbed::User,
}

impl User {
    pub(crate) fn new(address: Address, user: morgana_testbed::User) -> Self {
        Self { address, user }
    }

    async fn client(&self) -> Client {
        let address = self.address.read().await.clone();
        Client::new(&address, Some(self.user.token.clone())).unwrap()
    }

    /// What became of a request.
    async fn outcome<T>(&mut self, answer: Result<T, Error>) -> Outcome {
        let Err(error) = answer else { return Outcome::Accepted };
        match error.code() {
            Some(ErrorCode::Unauthenticated) => {
                self.log_in().await;
                Outcome::Refused
            }
            Some(ErrorCode::TooManyRequests) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Outcome::Refused
            }
            Some(ErrorCode::Internal | ErrorCode::Unavailable) | None => {
                // Down at the moment, like as not.
                tokio::time::sleep(Duration::from_millis(100)).await;
                Outcome::Unknown
            }
            Some(_) => Outcome::Refused,
        }
    }

    async fn log_in(&mut self) {
        let credentials =
            Credentials { user_id: self.user.id.to_string(), password: self.user.password.clone() };
        if let Ok(session) = self.client().await.login(&credentials).await {
            self.user.token = Secret::new(session.access_token.expose());
        }
    }
}

/// A tenant: silos come, get vThings, lose them, and go.
pub(crate) async fn rent(mut user: User, ledger: Arc<Ledger>, silos: usize) {
    let ids: Vec<VSiloId> = (0..silos)
        .map(|number| VSiloId::new(&user.user.id, &format!("silo-{number}").parse().unwrap()))
        .collect();
    // Each is asked for at least once, in random order.
    let mut requests: Vec<usize> = (0..silos * REQUESTS_EACH).map(|number| number % silos.max(1)).collect();
    while !requests.is_empty() {
        let id = &ids[requests.swap_remove(random_range(0..requests.len()))];
        let client = user.client().await;
        let visors = ledger.visors();
        tokio::time::sleep(Duration::from_millis(random_range(0..60))).await;
        if ledger.silo(id) != State::There {
            let flavour = if random_range(0..4) == 0 { "ngsi-ld" } else { "mqtt" };
            let asked = add_silo(&client, &user.user, id.name().as_str(), flavour).await;
            let outcome = user.outcome(asked).await;
            ledger.silo_asked(id, State::There, outcome);
            continue;
        }
        match random_range(0..10) {
            0..2 => {
                let asked = client.delete_vsilo(id, random_range(0..4) == 0).await;
                let outcome = user.outcome(asked).await;
                ledger.silo_asked(id, State::Gone, outcome);
            }
            2..8 if !visors.is_empty() => {
                let v_thing = thing_of(&visors[random_range(0..visors.len())]);
                let asked = client.connect(id, &v_thing).await;
                let outcome = user.outcome(asked).await;
                ledger.connection_asked(id, &v_thing, State::There, outcome);
            }
            8 if !visors.is_empty() => {
                let v_thing = thing_of(&visors[random_range(0..visors.len())]);
                let asked = client.disconnect(id, &v_thing).await;
                let outcome = user.outcome(asked).await;
                ledger.connection_asked(id, &v_thing, State::Gone, outcome);
            }
            _ => drop(client.vsilos().next_page().await),
        }
    }
}

/// The administrator: every ThingVisor comes, and some go. An id is never used again.
pub(crate) async fn administer(mut user: User, ledger: Arc<Ledger>, visors: usize) {
    for number in 0..visors {
        let id: ThingVisorId = format!("visor-{number}").parse().unwrap();
        let params = json!({ "vThingName": THING, "vThingType": "Thing" });
        loop {
            let asked =
                add_thing_visor(&user.client().await, id.as_str(), "builtin:relay", params.clone()).await;
            let exists = asked.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::AlreadyExists));
            let outcome = if exists { Outcome::Accepted } else { user.outcome(asked).await };
            ledger.visor_asked(&id, State::There, outcome);
            if outcome == Outcome::Accepted {
                break;
            }
        }
        let there = ledger.visors();
        if random_range(0..5) == 0 && there.len() > 2 {
            let gone = &there[random_range(0..there.len())];
            let asked = user.client().await.delete_thing_visor(gone, false).await;
            let outcome = user.outcome(asked).await;
            ledger.visor_asked(gone, State::Gone, outcome);
        }
        tokio::time::sleep(Duration::from_millis(random_range(0..300))).await;
    }
}

fn thing_of(visor: &ThingVisorId) -> VThingId {
    format!("{visor}/{THING}").parse().unwrap()
}
