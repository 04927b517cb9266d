//! A full disk, a disk that only reads and a damaged database: said clearly, and mended by the steps
//! that docs/operating.md gives.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use morgana_testbed::{Options, Platform, User, eventually, run_program};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// A small disk in memory at the data folder of a platform. Needs the rights of an administrator.
struct Disk(PathBuf);

impl Disk {
    fn at(folder: &Path, mebibytes: u32) -> Self {
        fs::create_dir_all(folder).unwrap();
        let disk = Self(folder.to_owned());
        disk.mount(&format!("size={mebibytes}m,mode=700"));
        disk
    }

    fn mount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0);
        let output = mount.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "this test mounts a disk in memory, so run it as root: {said}");
    }

    /// Fills it to the last byte.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let file = File::create(&filler).unwrap();
        let mut end = 0;
        for size in [65_536, 4_096, 1] {
            let block = vec![1; size];
            while file.write_all_at(&block, end).is_ok() {
                end += size as u64;
            }
        }
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

async fn is_refused(platform: &Platform, admin: &User, name: &str) {
    let new = serde_json::json!({ "id": name, "password": "a password of a test", "role": "user" });
    let refused = platform.http_as(admin).post("/v1/users", &new).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let text = format!("{refused:?}");
    assert!(text.contains("nothing was changed"), "{text}");
}

#[tokio::test]
async fn on_a_full_disk_writes_are_refused_reads_go_on_and_nothing_accepted_is_lost() {
    let mut platform = Platform::prepare(MORGANA, Options::default());
    let disk = Disk::at(platform.data(), 24);
    platform.restart().await;
    let admin = platform.admin().await;
    let alice = platform.tenant(&admin, "alice").await;
    let silo = platform.silo(&alice, "home", "mqtt").await;
    let filler = disk.fill();

    // What the database had room for already may still be taken.
    let mut taken = 0;
    while taken < 200 {
        let new = serde_json::json!({ "id": format!("bob-{taken}"), "password": "a password of a test", "role": "user" });
        if platform.http_as(&admin).post("/v1/users", &new).await.status != 201 {
            break;
        }
        taken += 1;
    }
    is_refused(&platform, &admin, "carol").await;
    assert_eq!(platform.client(&alice).vsilo(&silo.id).await.unwrap().id, silo.id, "reads go on");
    fs::remove_file(filler).unwrap();
    eventually("there is room again", async || platform.client(&alice).connections(&silo.id).all().await)
        .await;
    platform.tenant(&admin, "dave").await;

    platform.kill().await;
    platform.no_process_is_left().await;
    platform.restart().await;
    let users = platform.client(&admin).users().all().await.unwrap();
    let has = |id: &str| users.iter().any(|user| user.id.as_str() == id);
    assert!(has("alice") && has("dave") && !has("carol"));
    assert!((0..taken).all(|number| has(&format!("bob-{number}"))), "what was accepted is there");
    platform.running_silo(&alice, &silo).await;
    platform.kill().await;
}

#[tokio::test]
async fn a_data_folder_that_only_reads_is_refused_at_the_start_and_while_it_runs() {
    let mut platform = Platform::prepare(MORGANA, Options::default());
    let disk = Disk::at(platform.data(), 24);
    platform.restart().await;
    let admin = platform.admin().await;
    // A disk with open files can be made to only read by force, as after an error of the disk.
    let detached = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk.0).output().unwrap();
    if detached.status.success() {
        is_refused(&platform, &admin, "carol").await;
    }
    platform.kill().await;
    platform.no_process_is_left().await;
    disk.mount("remount,ro");
    let data = platform.data().to_str().unwrap().to_owned();
    let arguments = ["up", "--port", "0", "--mqtt-port", "0", "--data", &data];
    let outcome = run_program(MORGANA, &arguments, &[], Path::new("/")).await;
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains(&data) && outcome.stderr.contains("write access"), "{outcome:?}");
    disk.mount("remount,rw");
    platform.restart().await;
    platform.tenant(&admin, "alice").await;
    platform.kill().await;
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_a_backup_takes_its_place() {
    let mut platform = Platform::start(MORGANA).await;
    let admin = platform.admin().await;
    let alice = platform.tenant(&admin, "alice").await;
    let silo = platform.silo(&alice, "home", "mqtt").await;
    let backup = platform.folder().join("backup.tar");
    let (file, data) = (backup.to_str().unwrap().to_owned(), platform.data().to_str().unwrap().to_owned());
    let morgana = async |arguments: &[&str]| run_program(MORGANA, arguments, &[], Path::new("/")).await;
    let outcome = morgana(&["backup", &file, "--data", &data]).await;
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    platform.terminate().await;

    let database = platform.data().join("system.db");
    let damaged = File::options().write(true).open(&database).unwrap();
    damaged.write_all_at(&[0xff; 4096], 4096).unwrap();
    let outcome = morgana(&["up", "--port", "0", "--mqtt-port", "0", "--data", &data]).await;
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("damaged") && outcome.stderr.contains("morgana restore"), "{outcome:?}");

    let outcome = morgana(&["restore", &file, "--data", &data, "--force"]).await;
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    platform.restart().await;
    platform.running_silo(&alice, &silo).await;
}
