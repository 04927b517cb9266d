//! How often somebody may guess a password.
//!
//! Each wrong guess takes a token out of three buckets: of the user at that address, of the address,
//! and of the user. A bucket fills again with time. Who knows the password is slowed down only when
//! somebody else guesses at the same user from very many addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many wrong guesses are let through, and how fast they are forgiven.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleOptions {
    /// Wrong passwords in a row for one user from one address.
    pub per_user_and_address: u32,
    /// Wrong passwords in a row from one address, whoever was tried.
    pub per_address: u32,
    /// Wrong passwords in a row for one user, from wherever.
    pub per_user: u32,
    /// After how many seconds one of them is forgiven.
    pub forgiven_after_seconds: u32,
    /// How many users and addresses are remembered at most.
    pub remembered: usize,
}

impl Default for ThrottleOptions {
    fn default() -> Self {
        Self {
            per_user_and_address: 5,
            per_address: 50,
            per_user: 100,
            forgiven_after_seconds: 30,
            remembered: 10_000,
        }
    }
}

/// What was guessed at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Bucket {
    Both(String, Option<IpAddr>),
    Address(Option<IpAddr>),
    User(String),
}

/// Counts wrong guesses. Pure: the time is an input.
#[derive(Debug)]
pub struct Throttle {
    options: ThrottleOptions,
    /// The second at which each bucket is as good as never used.
    whole_at: HashMap<Bucket, i64>,
}

impl Throttle {
    /// Nobody has guessed yet.
    pub fn new(options: ThrottleOptions) -> Self {
        Self { options, whole_at: HashMap::new() }
    }

    /// Lets a guess pass, before the password is looked at.
    ///
    /// # Errors
    /// In how many seconds to try again.
    pub fn check(&self, user: &str, address: Option<IpAddr>, now: Timestamp) -> Result<(), u32> {
        let waits = buckets(user, address).map(|bucket| self.wait(&bucket, now.as_second()));
        match waits.into_iter().max().unwrap_or(0) {
            0 => Ok(()),
            seconds => Err(u32::try_from(seconds).unwrap_or(u32::MAX)),
        }
    }

    /// Remembers a wrong guess.
    pub fn failed(&mut self, user: &str, address: Option<IpAddr>, now: Timestamp) {
        let now = now.as_second();
        for bucket in buckets(user, address) {
            self.make_room(now);
            let whole_at = self.whole_at.entry(bucket).or_insert(now);
            *whole_at = (*whole_at).max(now) + i64::from(self.options.forgiven_after_seconds);
        }
    }

    /// Forgives the user at that address: it knew the password after all.
    pub fn succeeded(&mut self, user: &str, address: Option<IpAddr>) {
        self.whole_at.remove(&Bucket::Both(user.to_owned(), address));
    }

    fn wait(&self, bucket: &Bucket, now: i64) -> i64 {
        let size = match bucket {
            Bucket::Both(..) => self.options.per_user_and_address,
            Bucket::Address(_) => self.options.per_address,
            Bucket::User(_) => self.options.per_user,
        };
        let forgiven_after = i64::from(self.options.forgiven_after_seconds);
        let left = self.whole_at.get(bucket).map_or(0, |whole_at| whole_at - now);
        // One more guess has to fit.
        (left - forgiven_after * (i64::from(size.max(1)) - 1)).max(0)
    }

    /// Forgets what is forgiven; where that is not enough, what is nearest to it.
    fn make_room(&mut self, now: i64) {
        if self.whole_at.len() < self.options.remembered.max(3) {
            return;
        }
        self.whole_at.retain(|_, whole_at| *whole_at > now);
        if self.whole_at.len() >= self.options.remembered.max(3) {
            let mut times: Vec<i64> = self.whole_at.values().copied().collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            self.whole_at.retain(|_, whole_at| *whole_at > median);
        }
    }
}

fn buckets(user: &str, address: Option<IpAddr>) -> [Bucket; 3] {
    // A name of any length may be tried; no user has one of more than 64 bytes.
    let user: String = user.chars().take(64).collect();
    [Bucket::Both(user.clone(), address), Bucket::Address(address), Bucket::User(user)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    fn guess(throttle: &mut Throttle, user: &str, last: u8, second: i64) -> bool {
        let passes = throttle.check(user, address(last), at(second)).is_ok();
        if passes {
            throttle.failed(user, address(last), at(second));
        }
        passes
    }

    #[test]
    fn a_guesser_gets_some_tries_and_then_one_each_half_minute() {
        let mut throttle = Throttle::new(ThrottleOptions::default());
        assert_eq!((0..20).filter(|_| guess(&mut throttle, "admin", 1, 0)).count(), 5);
        assert_eq!(throttle.check("admin", address(1), at(0)), Err(30));
        assert_eq!((1..=300).filter(|second| guess(&mut throttle, "admin", 1, *second)).count(), 10);
    }

    #[test]
    fn the_user_itself_comes_in_from_elsewhere_while_somebody_guesses() {
        let mut throttle = Throttle::new(ThrottleOptions::default());
        for _ in 0..20 {
            guess(&mut throttle, "admin", 1, 0);
        }
        assert_eq!(throttle.check("admin", address(2), at(0)), Ok(()));
        assert_eq!(throttle.check("tenant1", address(1), at(0)), Ok(()));
    }

    #[test]
    fn many_users_from_one_address_and_one_user_from_many_addresses_are_bounded() {
        let mut throttle = Throttle::new(ThrottleOptions::default());
        let from_one = (0..1000).filter(|n| guess(&mut throttle, &format!("user{n}"), 1, 0)).count();
        assert_eq!(from_one, 50);
        let mut throttle = Throttle::new(ThrottleOptions::default());
        let at_one =
            (0..=255).flat_map(|last| [last; 4]).filter(|last| guess(&mut throttle, "admin", *last, 0));
        assert_eq!(at_one.count(), 100);
    }

    #[test]
    fn who_knew_the_password_after_all_is_forgiven() {
        let mut throttle = Throttle::new(ThrottleOptions::default());
        for _ in 0..4 {
            guess(&mut throttle, "admin", 1, 0);
        }
        throttle.succeeded("admin", address(1));
        assert_eq!((0..20).filter(|_| guess(&mut throttle, "admin", 1, 0)).count(), 5);
    }

    #[test]
    fn memory_is_bounded_whoever_guesses() {
        let mut throttle = Throttle::new(ThrottleOptions {
            remembered: 100,
            per_address: u32::MAX,
            ..ThrottleOptions::default()
        });
        for n in 0..10_000 {
            throttle.failed(&format!("user{n}"), address(1), at(n));
        }
        assert!(throttle.whole_at.len() <= 100, "{}", throttle.whole_at.len());
    }
}
