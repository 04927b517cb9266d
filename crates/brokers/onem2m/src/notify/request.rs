//! Requests of any operation to another CSE, over whatever way leads there, and their answers.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::courier::{ANSWER_MAX_BYTES, Answer, Courier};
use crate::{
    primitive::Request,
    remote::{request_to_json, to_http},
    status::Status,
    wire::Form,
};

impl Courier {
    /// Sends a request to the CSE `cse` (without its slash) at a point of access, and gives its answer.
    ///
    /// # Errors
    /// Why there was none.
    pub(crate) async fn request(
        &self,
        point: &str,
        cse: &str,
        request: &Request,
        patience: Duration,
    ) -> Result<Answer, String> {
        let asked = async {
            match point.split_once("://").map_or("", |(scheme, _)| scheme) {
                "http" | "https" => self.request_http(point, request).await,
                "mqtt" | "mqtts" => self.request_mqtt(cse, request).await,
                "poll" => self.request_polled(cse, request).await,
                "ws" => self.request_websocket(point, request).await,
                _ => Err(format!("{point}: there is no binding for it")),
            }
        };
        let result = tokio::time::timeout(patience, asked).await;
        result.unwrap_or_else(|_| Err(format!("it did not answer within {} ms", patience.as_millis())))
    }

    async fn request_http(&self, point: &str, request: &Request) -> Result<Answer, String> {
        let response = self.https.send(to_http(point, request)?).await.map_err(|error| error.to_string())?;
        let code = response.headers().get("x-m2m-rsc").and_then(|value| value.to_str().ok()?.parse().ok());
        let http = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
        let body = body.map_err(|_| format!("it answered with more than {ANSWER_MAX_BYTES} bytes"))?;
        let content = serde_json::from_slice(&body.to_bytes()).ok();
        let status = code.and_then(Status::from_code).ok_or_else(|| format!("it answered {http}"))?;
        Ok(Answer { status, content })
    }

    async fn request_mqtt(&self, cse: &str, request: &Request) -> Result<Answer, String> {
        let waiting = self.expect(request);
        let primitive = json!({ "m2m:rqp": waiting.primitive(request) });
        self.publish(cse, primitive.to_string().into_bytes()).await?;
        waiting.answer().await
    }

    async fn request_websocket(&self, point: &str, request: &Request) -> Result<Answer, String> {
        let uri = point.parse().map_err(|_| format!("{point} is not a URI"))?;
        let waiting = self.expect(request);
        self.sessions.ask_target(&uri, Form::Json, &waiting.primitive(request)).await
    }

    async fn request_polled(&self, cse: &str, request: &Request) -> Result<Answer, String> {
        let waiting = self.expect(request);
        self.polled.add_question(&format!("/{cse}"), waiting.primitive(request))?;
        waiting.answer().await
    }

    /// Waits for the answer to a request under its identifier, or one like it when another request has that.
    fn expect(&self, request: &Request) -> Expected<'_> {
        let wanted = match &request.id {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (sender, answer) = oneshot::channel();
        let mut all = self.waiting.lock();
        let mut id = wanted.clone();
        let mut number = 1_u32;
        while all.contains_key(&id) {
            number += 1;
            id = format!("{wanted}~{number}");
        }
        all.insert(id.clone(), sender);
        Expected { courier: self, id, answer }
    }
}

/// A request whose answer comes as a message of its own.
struct Expected<'a> {
    courier: &'a Courier,
    id: String,
    answer: oneshot::Receiver<Answer>,
}

impl Expected<'_> {
    fn primitive(&self, request: &Request) -> Value {
        let mut primitive = request_to_json(request);
        if let Some(members) = primitive.as_object_mut() {
            members.insert("rqi".to_owned(), Value::from(self.id.as_str()));
        }
        primitive
    }

    async fn answer(mut self) -> Result<Answer, String> {
        (&mut self.answer).await.map_err(|_| "it did not answer".to_owned())
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.courier.waiting.lock().remove(&self.id);
    }
}
