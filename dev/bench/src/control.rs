//! The control plane with many silos: every one is a real process, as a tenant's would be.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use morgana_model::{Phase, VSilo};
use morgana_testbed::{Options, Platform, User, add_thing_visor};
use serde_json::json;

use crate::broker::case::Case;
use crate::broker::load::{self, Outcome};
use crate::broker::request;
use crate::figures::Figures;

/// vThings of one ThingVisor.
const THINGS_EACH: usize = 1_000;
/// How long everything may take to run, at most.
const PATIENCE: Duration = Duration::from_secs(900);
/// Ports for the doors of a thousand silos.
const DOORS: (u16, u16) = (10_000, 19_999);

/// How the control plane is measured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many silos there are in the end.
    #[arg(long, default_value_t = 1_000)]
    silos: usize,
    /// With how many of them the machine is started again.
    #[arg(long, default_value_t = 500)]
    recovered: usize,
    /// How many vThings there are.
    #[arg(long, default_value_t = 10_000)]
    v_things: usize,
    /// How long each load runs, in seconds.
    #[arg(long, default_value_t = 5)]
    load_seconds: u64,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/bench/control.json")]
    json: PathBuf,
}

impl Default for Arguments {
    fn default() -> Self {
        let json = "target/bench/control.json".into();
        Self { silos: 1_000, recovered: 500, v_things: 10_000, load_seconds: 5, json }
    }
}

pub(crate) async fn run(program: &Path, arguments: &Arguments) -> io::Result<()> {
    let mut figures = Figures::of_this_machine();
    let mut platform = Platform::prepare(&program.to_string_lossy(), Options::default());
    platform.set_variable("MORGANA_NODE__DOOR_PORTS__START", &DOORS.0.to_string());
    platform.set_variable("MORGANA_NODE__DOOR_PORTS__END", &DOORS.1.to_string());
    platform.set_variable("MORGANA_CONTROLLER__MAX_SILOS_PER_TENANT", "100000");
    platform.restart().await;
    let admin = platform.admin().await;
    let tenant = platform.tenant(&admin, "tenant1").await;
    announce(&platform, &admin, arguments.v_things).await?;

    eprintln!("creating {} silos", arguments.recovered);
    let first = create(&platform, &tenant, 0, arguments.recovered).await?;
    put_load(&mut figures, "creates of silos, accepted", &first, None);
    let began = Instant::now();
    all_run(&platform, &tenant, arguments.recovered).await?;
    figures.put(
        format!("the rest of {} silos runs after", arguments.recovered),
        began.elapsed().as_secs_f64(),
        "s",
        None,
    );

    eprintln!("starting everything again");
    platform.kill_all().await;
    platform.no_process_is_left().await;
    let began = Instant::now();
    platform.restart().await;
    figures.put("start of the platform until it answers", began.elapsed().as_secs_f64() * 1000.0, "ms", None);
    let admin = platform.log_in("admin", &admin.password).await;
    let tenant = platform.log_in(tenant.id.as_str(), &tenant.password).await;
    all_run(&platform, &tenant, arguments.recovered).await?;
    figures.put(
        format!("recovery of {} silos after a restart of the machine", arguments.recovered),
        began.elapsed().as_secs_f64(),
        "s",
        Some("<= 30"),
    );

    eprintln!("creating {} more", arguments.silos - arguments.recovered);
    create(&platform, &tenant, arguments.recovered, arguments.silos).await?;
    all_run(&platform, &tenant, arguments.silos).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let things = platform.client(&admin).vthings().all().await.map_err(io::Error::other)?.len();
    let mebibytes = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    figures.put(
        format!("controller, fabric and node agent with {} silos and {things} vThings: RSS", arguments.silos),
        mebibytes(platform.process().resident_bytes()),
        "MiB",
        Some("<= 120"),
    );
    let lasting = Duration::from_secs(arguments.load_seconds);
    for (what, path, clients, aim) in reads(arguments.silos) {
        let authorization = format!("Authorization: Bearer {}\r\n", tenant.token.expose());
        let case = Case::new(what, move |number, out| request::get(out, &path(number), &authorization));
        let outcome = load::run(&address(&platform), &case.clients(clients), 0, lasting, || {}).await?;
        put_load(&mut figures, what, &outcome, aim);
    }
    let size = |name: &str| std::fs::metadata(platform.data().join(name)).map_or(0, |found| found.len());
    figures.put("system database", mebibytes(size("system.db")), "MiB", None);
    figures.put("its write-ahead log", mebibytes(size("system.db-wal")), "MiB", None);
    figures.put(
        "controller, fabric and node agent after the loads: RSS",
        mebibytes(platform.process().resident_bytes()),
        "MiB",
        None,
    );
    figures.print();
    figures.write(&arguments.json)?;
    println!("written to {}\n", arguments.json.display());
    platform.kill_all().await;
    Ok(())
}

/// A path for each number of a request.
type Paths = Arc<dyn Fn(u64) -> String + Send + Sync>;

/// At least so many a second, and at most so long.
type Aims = (&'static str, &'static str);

/// What is read, by how many clients at once, with the aims; an empty one is none.
fn reads(silos: usize) -> Vec<(&'static str, Paths, usize, Option<Aims>)> {
    let one = move |number: u64| format!("/v1/vsilos/tenant1_silo-{}", number % silos as u64);
    vec![
        ("reads of one silo", Arc::new(one), 16, Some((">= 2000", ""))),
        ("list of 1,000 silos", Arc::new(|_| "/v1/vsilos?limit=1000".to_owned()), 1, Some(("", "<= 20"))),
        ("list of 100 silos", Arc::new(|_| "/v1/vsilos?limit=100".to_owned()), 4, None),
    ]
}

fn put_load(
    figures: &mut Figures,
    what: &str,
    outcome: &Outcome,
    aims: Option<(&'static str, &'static str)>,
) {
    let aim = |aim: &'static str| Some(aim).filter(|aim| !aim.is_empty());
    let (rate, tail) = aims.map_or((None, None), |(rate, tail)| (aim(rate), aim(tail)));
    figures.put(what, outcome.answered as f64 / outcome.elapsed.as_secs_f64(), "requests/s", rate);
    let mut took = outcome.took.clone();
    took.sort_unstable();
    for (quantile, aim) in [(0.5, None), (0.99, tail)] {
        let at = (took.len().saturating_sub(1) as f64 * quantile).round() as usize;
        let milliseconds = took.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0);
        figures.put(format!("{what}: p{:.0}", quantile * 100.0), milliseconds, "ms", aim);
    }
    if outcome.refused > 0 {
        let why = outcome.refusal.as_deref().unwrap_or_default();
        eprintln!("{what}: {} were refused, the first with {why}", outcome.refused);
    }
}

fn address(platform: &Platform) -> String {
    platform.rest_url().trim_start_matches("http://").to_owned()
}

/// ThingVisors that announce vThings and are silent.
async fn announce(platform: &Platform, admin: &User, v_things: usize) -> io::Result<()> {
    let client = platform.client(admin);
    let image = format!("exec:{}", std::env::current_exe()?.display());
    for (number, first) in (0..v_things).step_by(THINGS_EACH).enumerate() {
        let params = json!({ "vThings": THINGS_EACH.min(v_things - first) });
        add_thing_visor(&client, &format!("things-{number}"), &image, params)
            .await
            .map_err(io::Error::other)?;
    }
    let began = Instant::now();
    loop {
        let known = client.vthings().with_limit(1_000).all().await.map_err(io::Error::other)?.len();
        if known >= v_things {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{known} of {v_things} vThings are announced")));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Creates silos `from..to` with four clients, each with one request under way.
async fn create(platform: &Platform, tenant: &User, from: usize, to: usize) -> io::Result<Outcome> {
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(from));
    let began = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, tenant, next) = (platform.client(tenant), tenant.clone(), Arc::clone(&next));
        clients.spawn(async move {
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= to {
                    return Ok(took);
                }
                let sent = Instant::now();
                let name = format!("silo-{number}");
                morgana_testbed::add_silo(&client, &tenant, &name, "mqtt").await.map_err(io::Error::other)?;
                took.push(sent.elapsed());
            }
        });
    }
    let mut outcome = Outcome::default();
    while let Some(took) = clients.join_next().await {
        let took: io::Result<Vec<Duration>> = took.map_err(io::Error::other)?;
        outcome.took.extend(took?);
    }
    outcome.answered = outcome.took.len() as u64;
    outcome.elapsed = began.elapsed();
    Ok(outcome)
}

/// Waits until so many silos run.
async fn all_run(platform: &Platform, tenant: &User, silos: usize) -> io::Result<()> {
    let client = platform.client(tenant);
    let began = Instant::now();
    loop {
        let all: Vec<VSilo> = client.vsilos().with_limit(1_000).all().await.map_err(io::Error::other)?;
        let running = all.iter().filter(|silo| silo.status.phase == Phase::Running).count();
        if running >= silos {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{running} of {silos} silos run")));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
