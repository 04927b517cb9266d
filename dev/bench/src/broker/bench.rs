//! A broker under measurement, and what a standard's file does with it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use morgana_testbed::Broker;

use super::bare;
use super::case::Case;
use super::connection::Connection;
use super::load;
use super::notify::{self, Listener};
use super::usage::{processor_time, resident_mib};
use crate::figures::Figures;

/// Starts of an empty broker that its start time is the middle of.
const STARTS: usize = 11;

/// How long after its last request a broker is looked at: what it holds is what it keeps.
const REST: Duration = Duration::from_secs(3);

/// Changes a second while the latency of notifications is measured, and how many: where there are few, processors and
/// disk go to sleep in between and have to wake up for each; a thousand keep them awake, and the broker is far from busy.
pub(super) const PACES: [(u32, u64); 2] = [(200, 1_000), (1_000, 5_000)];

/// How a standard's broker is started and subscribed to.
pub(super) struct Profile {
    /// Its name for `morgana broker`.
    pub(super) name: &'static str,
    /// Further switches.
    pub(super) switches: &'static [&'static str],
    /// Whose figures stand beside, and where they are from.
    pub(super) peer: &'static str,
    /// What the project set itself for the time until it is ready, in milliseconds.
    pub(super) ready_aim: Option<&'static str>,
    /// The same for what it holds when it is empty, in MiB.
    pub(super) resident_aim: Option<&'static str>,
    /// MiB that the peer held.
    pub(super) resident_peer_mib: Option<f64>,
    /// What the project set itself for the start with the state that the measurements leave, in milliseconds.
    pub(super) again_aim: Option<&'static str>,
}

/// A broker of the bench's own.
struct Own {
    broker: Broker,
    folder: tempfile::TempDir,
}

impl Own {
    async fn start(profile: &Profile, program: &Path, more: &[&str]) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let switches = [profile.switches, more].concat();
        let broker = Broker::start(program, profile.name, &data, &switches).await;
        Ok(Self { broker, folder })
    }
}

/// One run of a standard's measurements.
pub(super) struct Bench<'a> {
    profile: &'a Profile,
    program: &'a Path,
    lasting: Duration,
    address: String,
    /// None when somebody else started it.
    own: Option<Own>,
    next: u64,
    last_cost: Option<f64>,
    pub(super) figures: Figures,
}

impl<'a> Bench<'a> {
    /// Starts empty brokers one after the other for their start time, and keeps the last.
    pub(super) async fn start(
        profile: &'a Profile,
        program: &'a Path,
        lasting: Duration,
    ) -> io::Result<Self> {
        let mut figures = Figures::of_this_machine();
        figures.beside(profile.peer);
        let mut took = Vec::new();
        let mut last = None;
        for _ in 0..STARTS {
            drop(last.take());
            let start = Instant::now();
            last = Some(Own::start(profile, program, &[]).await?);
            took.push(start.elapsed());
        }
        let own = last.ok_or_else(|| io::Error::other("no broker was started"))?;
        figures.put_durations("start of an empty broker -> ready", &mut took, profile.ready_aim);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let resident = resident_mib(own.broker.pid());
        figures.put_beside(
            "resident memory, empty",
            resident,
            "MiB",
            profile.resident_aim.map(str::to_owned),
            profile.resident_peer_mib,
        );
        let (address, own) = (own.broker.address("http"), Some(own));
        Ok(Self { profile, program, lasting, address, own, next: 0, last_cost: None, figures })
    }

    /// Ends the own broker and goes on with a new and empty one.
    pub(super) async fn start_afresh(&mut self) -> io::Result<()> {
        self.start_afresh_with(&[]).await
    }

    /// The same, with further switches.
    pub(super) async fn start_afresh_with(&mut self, switches: &[&str]) -> io::Result<()> {
        drop(self.own.take());
        let own = Own::start(self.profile, self.program, switches).await?;
        self.address = own.broker.address("http");
        self.own = Some(own);
        Ok(())
    }

    /// Kills the own broker and starts it again with what it has on the disk. Puts down how long that took.
    pub(super) async fn start_again(&mut self, switches: &[&str], what: &str) -> io::Result<()> {
        let Some(Own { broker, folder }) = self.own.take() else { return Ok(()) };
        broker.kill().await;
        let start = Instant::now();
        let data = folder.path().join("data");
        let switches = [self.profile.switches, switches].concat();
        let broker = Broker::start(self.program, self.profile.name, &data, &switches).await;
        let name = format!("start after a kill, {what} -> ready");
        self.figures.put_durations(&name, &mut [start.elapsed()], self.profile.again_aim);
        self.address = broker.address("http");
        self.own = Some(Own { broker, folder });
        Ok(())
    }

    /// Mebibytes on the disk below a folder of the own broker's data.
    pub(super) fn on_disk_mib(&self, folder: &str) -> f64 {
        let Some(own) = &self.own else { return f64::NAN };
        let entries = std::fs::read_dir(own.folder.path().join("data").join(folder)).into_iter().flatten();
        let bytes: u64 = entries.flatten().filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
        bytes as f64 / (1024.0 * 1024.0)
    }

    /// Whether the broker is one that the bench started, so that more can be known of it than it answers.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The program under measurement.
    pub(super) fn program(&self) -> &'a Path {
        self.program
    }

    /// MiB that the own broker holds when it rests after its last request; not a number for another's.
    pub(super) async fn resident(&self) -> f64 {
        tokio::time::sleep(REST).await;
        self.pid().map_or(f64::NAN, resident_mib)
    }

    /// Microseconds of processor time that a request of the last load cost the own broker.
    pub(super) fn last_cost(&self) -> Option<f64> {
        self.last_cost
    }

    /// Measures a broker that runs already, such as a peer's.
    pub(super) fn of_running(
        profile: &'a Profile,
        program: &'a Path,
        lasting: Duration,
        address: &str,
    ) -> Self {
        let mut figures = Figures::of_this_machine();
        figures.beside(profile.peer);
        Self {
            profile,
            program,
            lasting,
            address: address.to_owned(),
            own: None,
            next: 0,
            last_cost: None,
            figures,
        }
    }

    /// The address of another of its doors; none of a peer's is known.
    pub(super) fn door(&self, scheme: &str) -> Option<String> {
        self.own.as_ref().map(|own| own.broker.address(scheme))
    }

    /// The body of the answer to one request.
    pub(super) async fn read(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut connection = Connection::open(&self.address).await?;
        let status = connection.exchange(request).await?;
        if (200..300).contains(&status) {
            return Ok(connection.body().to_vec());
        }
        Err(io::Error::other(format!("{status} {}", String::from_utf8_lossy(connection.body()))))
    }

    fn pid(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.broker.pid())
    }

    /// Sends `count` requests over one connection, untimed: the state that a load works on.
    pub(super) async fn prepare(&self, count: u64, make: impl Fn(u64, &mut Vec<u8>)) -> io::Result<()> {
        let mut connection = Connection::open(&self.address).await?;
        let mut request = Vec::new();
        for number in 0..count {
            request.clear();
            make(number, &mut request);
            let status = connection.exchange(&request).await?;
            if !(200..300).contains(&status) {
                let (sent, why) =
                    (String::from_utf8_lossy(&request), String::from_utf8_lossy(connection.body()));
                return Err(io::Error::other(format!("answered with {status} {why}\nto {sent}")));
            }
        }
        Ok(())
    }

    /// Runs a load, and puts down its rate, its latencies and what it cost the broker.
    pub(super) async fn load(&mut self, case: Case) -> io::Result<()> {
        eprintln!("  {}", case.name);
        let pid = self.pid();
        let times: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let clock = {
            let times = Arc::clone(&times);
            move || {
                if let (Some(pid), Ok(mut times)) = (pid, times.lock()) {
                    times.push(processor_time(pid));
                }
            }
        };
        let mut outcome = load::run(&self.address, &case, self.next, self.lasting, clock).await?;
        self.next += outcome.answered + outcome.refused + 1_000_000;
        if let Some(refusal) = &outcome.refusal {
            return Err(io::Error::other(format!("{}: {} refused: {refusal}", case.name, outcome.refused)));
        }
        let rate = (outcome.answered * case.weight) as f64 / outcome.elapsed.as_secs_f64();
        let name = match case.clients {
            1 => format!("{}, 1 client", case.name),
            clients => format!("{}, {clients} clients", case.name),
        };
        self.figures.put_beside(&name, rate, case.unit, case.aim.map(|aim| format!(">= {aim}")), case.peer);
        self.figures.put_durations(&name, &mut outcome.took, case.middle_aim);
        self.last_cost = None;
        let used = times.lock().ok().and_then(|times| times.get(1)?.checked_sub(*times.first()?));
        if let Some(used) = used {
            let each = used.as_secs_f64() * 1e6 / outcome.answered.max(1) as f64;
            self.last_cost = Some(each);
            self.figures.put(format!("{name}, processor of the broker"), each, "us a request", None);
        }
        Ok(())
    }

    /// Has a listener subscribed with `subscription(uri)` (path, headers and body of a POST), and times notifications of
    /// changes made by `change(number, mark)`, beside the least that this machine needs for the same.
    pub(super) async fn notifications(
        &mut self,
        aim: &'static str,
        subscription: impl Fn(&str) -> (String, String, String),
        change: impl Fn(u64, &str, &mut Vec<u8>),
    ) -> io::Result<()> {
        let mut listener = Listener::start().await?;
        self.notifications_to(&mut listener, "request -> notification", aim, subscription, &change).await?;
        let folder = tempfile::tempdir()?;
        for (rate, count) in PACES {
            let bare = bare::start(folder.path(), listener.address().unwrap_or_default())?;
            let mut took = listener.measure(&bare, rate, count, &change).await?;
            let name = format!("the same at {rate}/s without a broker: TCP, fdatasync, TCP");
            self.figures.put_durations(&name, &mut took, None);
        }
        Ok(())
    }

    /// The same for a listener that is there, with a name of its own for the figure.
    pub(super) async fn notifications_to(
        &mut self,
        listener: &mut Listener,
        name: &str,
        aim: &'static str,
        subscription: impl Fn(&str) -> (String, String, String),
        change: impl Fn(u64, &str, &mut Vec<u8>),
    ) -> io::Result<()> {
        eprintln!("  {name}");
        let (path, headers, body) = subscription(&listener.uri);
        notify::subscribe(&self.address, &path, &headers, &body).await?;
        // The connection to the listener is made by the first ones.
        listener.measure(&self.address, PACES[0].0, 20, &change).await?;
        for (rate, count) in PACES {
            let mut took = listener.measure(&self.address, rate, count, &change).await?;
            let lost = count - took.len() as u64;
            let name = format!("{name} at {rate}/s");
            self.figures.put_durations(&name, &mut took, Some(aim));
            self.figures.put(format!("{name}, lost"), lost as f64, "", Some("0"));
        }
        Ok(())
    }

    /// What it holds now, and how long the same state takes to come back after a kill.
    pub(super) async fn end(mut self, what: &str) -> io::Result<Figures> {
        let Some(Own { broker, folder }) = self.own else { return Ok(self.figures) };
        tokio::time::sleep(REST).await;
        let resident = resident_mib(broker.pid());
        self.figures.put(format!("resident memory, {what}"), resident, "MiB", None);
        broker.kill().await;
        let start = Instant::now();
        let data = folder.path().join("data");
        let again = Broker::start(self.program, self.profile.name, &data, self.profile.switches).await;
        let mut took = [start.elapsed()];
        self.figures.put_durations(
            &format!("start after a kill, {what} -> ready"),
            &mut took,
            self.profile.again_aim,
        );
        again.kill().await;
        Ok(self.figures)
    }
}

/// A request that is the same every time.
pub(super) fn always(request: Vec<u8>) -> impl Fn(u64, &mut Vec<u8>) + Send + Sync + 'static {
    move |_, out| out.extend_from_slice(&request)
}

/// One of some requests, in turn.
pub(super) fn one_of(requests: Vec<Vec<u8>>) -> impl Fn(u64, &mut Vec<u8>) + Send + Sync + 'static {
    move |number, out| out.extend_from_slice(&requests[number as usize % requests.len()])
}
