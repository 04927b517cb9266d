//! Password hashing takes 19 MiB a call and must not keep it. A program of its own, because the
//! memory that is looked at is that of the whole process.
#![allow(clippy::unwrap_used)]

use std::sync::Barrier;
use std::{fs, thread};

use morgana_access::{hash_password, verify_password};

const THREADS: usize = 4;

fn resident_kibibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn memory_of_verifications_is_given_back_while_their_threads_live_on() {
    let stored = hash_password("x", &mut rand::rng()).unwrap();
    let before = resident_kibibytes();
    let (verified, measured) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let after = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let matches = (0..5).all(|_| verify_password("x", Some(&stored)));
                verified.wait();
                measured.wait();
                assert!(matches);
            });
        }
        verified.wait();
        let after = resident_kibibytes();
        measured.wait();
        after
    });
    assert!(after < before + 4096, "{before} KiB before, {after} KiB after");
}
