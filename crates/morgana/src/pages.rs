//! Memory that a long-lived role needed for its start, or while it worked.

use std::{fs, time::Duration};

/// How long a process does nothing before it rests.
const REST: Duration = Duration::from_millis(500);

/// Hundredths of a second of processor time after which there may be something to give back.
const WORTH: u64 = 5;

/// Gives memory back once `patience` has passed, and whenever the process has worked and then rests. Never returns,
/// except where nothing tells whether it works.
pub(crate) async fn give_back_at_rest(patience: Duration) {
    tokio::time::sleep(patience).await;
    give_back();
    let (Some(mut given), mut last) = (worked(), 0) else { return };
    loop {
        tokio::time::sleep(REST).await;
        let Some(now) = worked() else { return };
        // Looking is work, too.
        if now <= last + 1 && now >= given + WORTH {
            give_back();
            given = worked().unwrap_or(now);
        }
        last = now;
    }
}

/// The processor time of all threads of this process so far, in hundredths of a second (proc_pid_stat(5)).
fn worked() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may have blanks.
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || words.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Gives back memory that nothing uses just now: freed parts of the heap, and the pages of code and constants that
/// are mapped by now. Of those, the ones that are used again come back from the file, at some microseconds each; the
/// others, such as the parser of the command line, are most of what an idle broker would hold.
#[allow(unsafe_code, reason = "the system calls that give memory back have no safe form")]
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it only returns what the allocator has no use for, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
    #[cfg(target_os = "linux")]
    for (start, end) in fs::read_to_string("/proc/self/maps").iter().flat_map(|maps| unwritten(maps)) {
        // SAFETY: the range is a private mapping of a file that nothing was ever written to. Its pages can be dropped at
        // any time: the next access, from whichever thread, reads the same bytes from the file.
        let dropped = unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
        if dropped != 0 {
            tracing::debug!(start, end, "the system keeps pages that are not needed");
        }
    }
}

/// The address ranges that hold code, or the constants at the start of a program or library: private mappings of files
/// that are never written to. What the loader has written to and then sealed looks alike, but does not start its file.
fn unwritten(maps: &str) -> impl Iterator<Item = (usize, usize)> {
    maps.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (range, mode, offset) = (words.next()?, words.next()?, words.next()?);
        let is_file = words.nth(2).is_some_and(|path| path.starts_with('/'));
        let is_start = offset.bytes().all(|digit| digit == b'0');
        if !is_file || !(mode == "r-xp" || (mode == "r--p" && is_start)) {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        Some((address(start)?, address(end)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_to_is_given_back() {
        let maps = "\
55d0e3a00000-55d0e4712000 r--p 00000000 fe:00 131 /usr/bin/morgana
55d0e4712000-55d0e6ccf000 r-xp 00d11000 fe:00 131 /usr/bin/morgana
55d0e6ccf000-55d0e6e46000 r--p 032cc000 fe:00 131 /usr/bin/morgana
55d0e6e46000-55d0e6e51000 rw-p 03442000 fe:00 131 /usr/bin/morgana
55d0e8000000-55d0e8063000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0000001000 rw-p 00000000 fe:00 132 /data/file
7f0000001000-7f0000002000 r--s 00000000 fe:00 133 /data/shared
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 [vdso]
";
        let found: Vec<_> = unwritten(maps).collect();
        assert_eq!(found, [(0x55d0_e3a0_0000, 0x55d0_e471_2000), (0x55d0_e471_2000, 0x55d0_e6cc_f000)]);
    }

    #[test]
    fn work_is_noticed() {
        let before = worked().expect("a process that is counted");
        let (mut sum, mut turns) = (0_u64, 0_u64);
        while worked().expect("a process that is counted") < before + 2 {
            turns += 1;
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(turns));
        }
        assert!(turns > 0);
    }

    #[test]
    fn a_process_goes_on_after_it_gave_its_pages_back() {
        let text = "a constant".to_owned();
        for _ in 0..3 {
            give_back();
            assert_eq!(text.to_uppercase(), "A CONSTANT");
            assert!(std::thread::spawn(|| format!("{:?}", [1.5, 2.5])).join().is_ok());
        }
        assert!(fs::read_to_string("/proc/self/maps").iter().flat_map(|maps| unwritten(maps)).count() > 1);
    }
}
