use std::io;
use std::process::{Child, Command};
use std::thread;

use tokio::sync::{mpsc, oneshot};

/// The one thread that makes processes.
///
/// The kernel's parent-death signal goes out when the *thread* that forked ends, and the threads
/// of an async runtime come and go. This one lives as long as the runtime it belongs to.
#[derive(Debug)]
pub(super) struct Spawner {
    requests: mpsc::Sender<Request>,
}

struct Request {
    command: Command,
    reply: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    pub(super) fn start(queue: usize) -> io::Result<Self> {
        let (requests, mut incoming) = mpsc::channel::<Request>(queue.max(1));
        thread::Builder::new().name("morgana-spawner".to_owned()).spawn(move || {
            while let Some(Request { mut command, reply }) = incoming.blocking_recv() {
                let result = command.spawn();
                // The pipe has its end when the last writer is gone, and the command holds one.
                drop(command);
                if let Err(Ok(mut unwanted)) = reply.send(result) {
                    let _ = unwanted.kill();
                    let _ = unwanted.wait();
                }
            }
        })?;
        Ok(Self { requests })
    }

    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts processes is gone");
        let (reply, result) = oneshot::channel();
        self.requests.send(Request { command, reply }).await.map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}
