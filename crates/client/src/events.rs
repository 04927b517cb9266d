//! The stream of changes, `GET /v1/events`.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use morgana_model::Event;
use reqwest::Response;
use sse_stream::{Sse, SseByteStream};

use crate::{Client, Error};

/// How often a lost stream is opened again before it counts as lost.
const RECONNECT_ATTEMPTS: u32 = 8;
/// The pause before the first attempt; each further one is twice as long.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause before an attempt.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Server-sent events as they come (HTML Standard, section 9.2).
pub(crate) type SseStream = BoxStream<'static, Result<Sse, sse_stream::Error>>;

pub(crate) fn decode(response: Response) -> SseStream {
    SseByteStream::new(response.bytes_stream()).boxed()
}

/// The changes of the resources that the caller may see. A connection that breaks is opened again;
/// the stream then goes on with every resource as it is now, for changes were missed.
pub struct EventStream {
    client: Client,
    url: String,
    stream: Option<SseStream>,
    revision: Option<u64>,
    failures: u32,
}

impl Client {
    /// `GET /v1/events`: the changes from now on; with `snapshot` every resource as it is now comes
    /// first.
    ///
    /// # Errors
    /// When the controller refuses or cannot be reached.
    pub async fn events(&self, snapshot: bool) -> Result<EventStream, Error> {
        let response = self.open_events(snapshot, None).await?;
        let url = response.url().to_string();
        let stream = Some(decode(response));
        Ok(EventStream { client: self.clone(), url, stream, revision: None, failures: 0 })
    }

    async fn open_events(&self, snapshot: bool, last: Option<u64>) -> Result<Response, Error> {
        let request = self.get(["v1", "events"]);
        let request = if snapshot { request.query(&[("snapshot", true)]) } else { request };
        self.open_stream(match last {
            Some(revision) => request.header("Last-Event-ID", revision),
            None => request,
        })
        .await
    }
}

impl EventStream {
    /// The next change. The wait for it may be given up and begun again without losing one.
    ///
    /// # Errors
    /// When the stream is lost and cannot be opened again, or carries something else than events.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let received = match &mut self.stream {
                Some(stream) => stream.next().await,
                None => {
                    self.reconnect().await?;
                    continue;
                }
            };
            match received {
                Some(Ok(Sse { data: Some(data), .. })) => {
                    let event = self.parse(&data)?;
                    self.revision = Some(event.revision);
                    self.failures = 0;
                    return Ok(event);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => self.stream = None,
            }
        }
    }

    fn parse(&self, data: &str) -> Result<Event, Error> {
        serde_json::from_str(data).map_err(|error| Error::Unexpected {
            url: self.url.clone(),
            status: 200,
            reason: format!("an event that is none: {error}"),
        })
    }

    /// Opens the stream again. A server that accepts and closes at once counts as a failure too:
    /// only an event clears the count.
    async fn reconnect(&mut self) -> Result<(), Error> {
        loop {
            if self.failures == RECONNECT_ATTEMPTS {
                let reason = format!("{RECONNECT_ATTEMPTS} attempts to open it again brought no event");
                return Err(Error::BrokenOff { url: self.url.clone(), reason });
            }
            let pause = RECONNECT_PAUSE * 2_u32.pow(self.failures);
            tokio::time::sleep(pause.min(RECONNECT_PAUSE_MAX)).await;
            self.failures += 1;
            match self.client.open_events(true, self.revision).await {
                Ok(response) => {
                    self.stream = Some(decode(response));
                    return Ok(());
                }
                Err(error) if error.is_transient() && self.failures < RECONNECT_ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }
}
