//! The same messages through Mosquitto alone, side by side: what virtualisation adds.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use morgana_fabric::{Client, ClientOptions, Qos};
use serde_json::json;

use crate::figures::Figures;
use crate::latency::mqtt_subscriber;
use crate::source::{NUMBER, SENT_AT};

/// A Mosquitto of the bench's own, ended with it.
struct Mosquitto {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Mosquitto {
    fn start() -> Option<Self> {
        let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"]
            .map(PathBuf::from)
            .into_iter()
            .find(|p| p.exists())?;
        let folder = tempfile::tempdir().ok()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let file = folder.path().join("mosquitto.conf");
        std::fs::write(
            &file,
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"),
        )
        .ok()?;
        let mut command = Command::new(program);
        let process =
            command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        Some(Self { process, port, _folder: folder })
    }
}

pub(crate) async fn measure(messages: u64, figures: &mut Figures) {
    let Some(mosquitto) = Mosquitto::start() else {
        eprintln!("mosquitto is not installed (apt-get install mosquitto): no figures beside it");
        return;
    };
    let (_subscriber, mut arrived) = mqtt_subscriber(mosquitto.port, None, "bench/#").await;
    let (publisher, _events) =
        Client::connect(ClientOptions::new(format!("127.0.0.1:{}", mosquitto.port), "bench-publisher"));
    if publisher.connected().await.is_err() {
        return eprintln!("mosquitto did not answer: no figures beside it");
    }
    for number in 0..messages {
        let sent_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
        let message = json!({ SENT_AT: { "value": sent_at }, NUMBER: { "value": number } });
        if let Err(error) = publisher.publish("bench/probe", message.to_string(), Qos::AtMostOnce).await {
            return eprintln!("mosquitto refused a message: {error}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut took = Vec::new();
    while let Ok(Some(one)) = tokio::time::timeout(Duration::from_secs(1), arrived.recv()).await {
        took.push(one);
        if took.len() as u64 == messages {
            break;
        }
    }
    figures.put_durations("publish -> subscriber of Mosquitto alone, 100/s", &mut took, None);
}
