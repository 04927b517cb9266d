//! A platform that waits while another one on the same System DB leads.

use super::{Door, Endpoints, Platform, READY, Running, collect, read};
use crate::{eventually, logs};

/// What it prints, with its URL, when another controller leads.
const ON_STANDBY: &str = "morgana is on standby: REST ";

impl Platform {
    /// Starts the platform where another one on the same System DB leads, and waits until it stands by.
    ///
    /// # Panics
    /// When it runs already, or does not come to that.
    pub async fn stand_by(&mut self) {
        let mut child = self.spawn();
        let pid = child.id().and_then(|pid| pid.try_into().ok()).expect("a process that runs has an id");
        let stdout = collect(child.stdout.take().expect("its output is a pipe"));
        let stderr = collect(child.stderr.take().expect("its messages are a pipe"));
        let url = eventually("`morgana up` is on standby", async || {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                panic!("`morgana up` ended with {status}: {}", logs::tail(&read(&stderr)));
            }
            let said = read(&stdout);
            let url = said.lines().find_map(|line| line.strip_prefix(ON_STANDBY)).map(str::to_owned);
            url.ok_or_else(|| said + &logs::tail(&read(&stderr)))
        });
        let rest = Door { url: url.await, port: 0 };
        let endpoints = Endpoints { rest, mqtt: Door { url: String::new(), port: 0 } };
        self.running = Some(Running { child, pid, endpoints, stdout, stderr });
    }

    /// Waits until a platform that stands by leads.
    ///
    /// # Panics
    /// When it does not run, or does not come to that.
    pub async fn leads(&mut self) {
        eventually("the one on standby leads", async || {
            let said = self.stdout();
            if said.contains(READY) { Ok(()) } else { Err(said + &logs::tail(&self.stderr())) }
        })
        .await;
        let endpoints = self.read_endpoints();
        if let Some(running) = &mut self.running {
            running.endpoints = endpoints;
        }
    }
}
