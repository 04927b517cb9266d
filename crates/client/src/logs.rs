//! The logs of workloads.

use futures_util::StreamExt;
use morgana_model::{LogLines, WorkloadKind, WorkloadName};
use reqwest::RequestBuilder;

use crate::events::{SseStream, decode};
use crate::{Client, Error};

/// The lines of a workload's log as they are written.
pub struct LogStream {
    url: String,
    stream: SseStream,
}

impl Client {
    /// `GET /v1/workloads/{kind}/{id}/logs`: the last lines, oldest first; without a number as many
    /// as the server gives.
    ///
    /// # Errors
    /// When the controller refuses or cannot be reached.
    pub async fn logs(&self, workload: &WorkloadName, lines: Option<u32>) -> Result<Vec<String>, Error> {
        let answer: LogLines = self.fetch(self.log_request(workload, lines)).await?;
        Ok(answer.lines)
    }

    /// The last lines as [`Client::logs`] gives them, then each new one when it is written.
    ///
    /// # Errors
    /// When the controller refuses or cannot be reached.
    pub async fn follow_logs(&self, workload: &WorkloadName, lines: Option<u32>) -> Result<LogStream, Error> {
        let request = self.log_request(workload, lines).query(&[("follow", true)]);
        let response = self.open_stream(request).await?;
        Ok(LogStream { url: response.url().to_string(), stream: decode(response) })
    }

    fn log_request(&self, workload: &WorkloadName, lines: Option<u32>) -> RequestBuilder {
        let kind = match workload.kind() {
            WorkloadKind::ThingVisor => "thingvisor",
            WorkloadKind::VSilo => "vsilo",
        };
        let request = self.get(["v1", "workloads", kind, workload.id(), "logs"]);
        match lines {
            Some(lines) => request.query(&[("lines", lines)]),
            None => request,
        }
    }
}

impl LogStream {
    /// The next line; none when the server ended the stream.
    ///
    /// # Errors
    /// When the connection breaks. It is not opened again: which lines were missed nobody knows.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            match self.stream.next().await {
                Some(Ok(event)) => match event.data {
                    Some(line) => return Ok(Some(line)),
                    None => continue,
                },
                Some(Err(error)) => {
                    return Err(Error::BrokenOff { url: self.url.clone(), reason: error.to_string() });
                }
                None => return Ok(None),
            }
        }
    }
}
