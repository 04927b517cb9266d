use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener};
use std::ops::RangeInclusive;

use morgana_model::{Endpoints, WorkloadName};
use parking_lot::Mutex;

/// There is no port for a door.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPort {
    /// None is left of those to choose from.
    #[error("no free port for its doors in {}..={}; widen door_ports", range.start(), range.end())]
    NoneFree { range: RangeInclusive<u16> },
    /// The one that it has to have is somebody else's.
    #[error(
        "port {port}, which it has to have for its door {door}, is in use by {by}: end that, or ask for another port \
         (of a silo: the parameters 'port' and 'mqttPort' of its flavour)"
    )]
    Taken { port: u16, door: String, by: &'static str },
}

/// Which workload has which port. A port is never given to two, and never while another program
/// listens on it.
#[derive(Debug)]
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    listen: IpAddr,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    by: BTreeMap<u16, WorkloadName>,
    /// Where to look next. Going round, so that a port that one tenant has given up does not soon
    /// belong to another, while the first one's applications may still call it.
    next: u16,
}

impl Ports {
    pub(crate) fn new(range: RangeInclusive<u16>, listen: IpAddr) -> Self {
        let next = *range.start();
        Self { range, listen, taken: Mutex::new(Taken { by: BTreeMap::new(), next }) }
    }

    /// Gives a workload a port for each of its doors: those in `asked` in any case, those in `wanted` where they are
    /// free. It loses the ones it had before and does not get again.
    pub(crate) fn take(
        &self,
        name: &WorkloadName,
        doors: &[u16],
        asked: &Endpoints,
        wanted: &Endpoints,
    ) -> Result<Endpoints, NoPort> {
        let listen = self.listen;
        let can_listen = |port| TcpListener::bind((listen, port)).is_ok();
        let mut taken = self.taken.lock();
        let mut given = Endpoints::new();
        for inner in doors {
            let door = format!("{inner}/tcp");
            if let Some(port) = asked.get(&door).copied() {
                let by = match taken.by.get(&port) {
                    Some(by) if by != name => Some("another workload"),
                    _ if !can_listen(port) => Some("another program"),
                    _ => None,
                };
                if let Some(by) = by {
                    taken.by.retain(|_, by| by != name);
                    return Err(NoPort::Taken { port, door, by });
                }
                taken.by.insert(port, name.clone());
                given.insert(door, port);
                continue;
            }
            let wanted = wanted.get(&door).copied().filter(|port| {
                let ours = taken.by.get(port).is_none_or(|by| by == name);
                let ours = ours && !asked.values().any(|asked| asked == port);
                ours && !given.values().any(|given| given == port) && can_listen(*port)
            });
            let port = match wanted.or_else(|| taken.find(&self.range, can_listen)) {
                Some(port) => port,
                None => {
                    taken.by.retain(|_, by| by != name);
                    return Err(NoPort::NoneFree { range: self.range.clone() });
                }
            };
            taken.by.insert(port, name.clone());
            given.insert(door, port);
        }
        taken.by.retain(|port, by| by != name || given.values().any(|given| given == port));
        Ok(given)
    }

    pub(crate) fn release(&self, name: &WorkloadName) {
        self.taken.lock().by.retain(|_, by| by != name);
    }
}

impl Taken {
    /// The next port that nobody has, going round once.
    fn find(&mut self, range: &RangeInclusive<u16>, can_listen: impl Fn(u16) -> bool) -> Option<u16> {
        let (first, last) = (*range.start(), *range.end());
        let start = self.next.clamp(first, last);
        let port = (start..=last)
            .chain(first..start)
            .find(|port| !self.by.contains_key(port) && can_listen(*port))?;
        self.next = if port == last { first } else { port + 1 };
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str) -> WorkloadName {
        WorkloadName::ThingVisor(id.parse().unwrap())
    }

    /// Some ports in a row of which at least the first can be listened on.
    fn ports(count: u16) -> (u16, Ports) {
        let listen: IpAddr = "127.0.0.1".parse().unwrap();
        let free = |port| TcpListener::bind((listen, port)).is_ok();
        let start = 20_000 + u16::try_from(std::process::id() % 9_000).unwrap();
        let first = (start..30_000).find(|first| (*first..first + count).all(free)).unwrap();
        (first, Ports::new(first..=first + count - 1, listen))
    }

    #[test]
    fn no_port_is_given_twice_and_all_are_given() {
        let (_, ports) = ports(4);
        let a = ports.take(&name("a"), &[80, 81], &Endpoints::new(), &Endpoints::new()).unwrap();
        let b = ports.take(&name("b"), &[80, 81], &Endpoints::new(), &Endpoints::new()).unwrap();
        let mut all: Vec<u16> = a.values().chain(b.values()).copied().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4);
        let error = ports.take(&name("c"), &[80], &Endpoints::new(), &Endpoints::new()).unwrap_err();
        assert!(error.to_string().contains("door_ports"), "{error}");
        ports.release(&name("a"));
        assert!(ports.take(&name("c"), &[80], &Endpoints::new(), &Endpoints::new()).is_ok());
    }

    #[test]
    fn a_workload_gets_the_ports_it_had() {
        let (first, ports) = ports(4);
        let had = Endpoints::from_iter([("80/tcp".to_owned(), first + 2)]);
        assert_eq!(ports.take(&name("a"), &[80], &Endpoints::new(), &had).unwrap(), had);
        assert_eq!(ports.take(&name("a"), &[80], &Endpoints::new(), &had).unwrap(), had);
        assert_ne!(ports.take(&name("b"), &[80], &Endpoints::new(), &had).unwrap(), had);
    }

    #[test]
    fn a_port_that_another_program_has_is_not_given() {
        let (first, ports) = ports(3);
        let _other = TcpListener::bind(("127.0.0.1", first)).unwrap();
        let had = Endpoints::from_iter([("80/tcp".to_owned(), first)]);
        assert_ne!(ports.take(&name("a"), &[80], &Endpoints::new(), &had).unwrap()["80/tcp"], first);
    }

    #[test]
    fn ports_that_were_given_up_are_not_given_again_at_once() {
        let (_, ports) = ports(3);
        let a = ports.take(&name("a"), &[80], &Endpoints::new(), &Endpoints::new()).unwrap();
        ports.release(&name("a"));
        assert_ne!(ports.take(&name("b"), &[80], &Endpoints::new(), &Endpoints::new()).unwrap(), a);
    }

    #[test]
    fn a_port_that_has_to_be_is_given_or_refused_and_by_whom_it_is_used_is_said() {
        let (first, ports) = ports(4);
        let asked = |port| Endpoints::from_iter([("80/tcp".to_owned(), port)]);
        let none = Endpoints::new();
        // Within the range and outside of it; and the other door has one of its own.
        let a = ports.take(&name("a"), &[80, 81], &asked(first), &none).unwrap();
        assert_eq!(a["80/tcp"], first);
        assert_ne!(a["81/tcp"], first);
        assert_eq!(
            ports.take(&name("a"), &[80, 81], &asked(first), &a).unwrap(),
            a,
            "again, after a restart"
        );
        let error = ports.take(&name("b"), &[80], &asked(first), &none).unwrap_err().to_string();
        assert!(error.contains(&first.to_string()) && error.contains("another workload"), "{error}");
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let error = ports.take(&name("b"), &[80], &asked(port), &none).unwrap_err().to_string();
        assert!(error.contains("another program") && error.contains("'port'"), "{error}");
        drop(other);
        assert_eq!(ports.take(&name("b"), &[80], &asked(port), &none).unwrap()["80/tcp"], port);
        ports.release(&name("a"));
        assert_eq!(ports.take(&name("c"), &[80], &asked(first), &none).unwrap()["80/tcp"], first);
    }
}
