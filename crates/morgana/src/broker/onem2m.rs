//! `morgana broker onem2m`.

mod arguments;

use std::net::SocketAddr;
use std::sync::Arc;

use morgana_fabric::{ClientOptions, Open, Server, ServerOptions};
use morgana_onem2m::{
    CoapOptions, Cse, MqttBinding, MqttOptions, WebSocketOptions, serve, serve_coap, serve_mqtt,
    serve_websocket,
};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use arguments::Arguments;

use super::{REQUEST_PATIENCE, address_of, ready};
use crate::failure::Failure;

pub(super) async fn run(arguments: &Arguments, stop: CancellationToken) -> Result<(), Failure> {
    let mut doors = Doors::open(arguments).await?;
    let mut options = arguments.options();
    if options.points_of_access.is_empty() {
        options.points_of_access = doors.points_of_access();
    }
    let cse = Cse::open(options).map_err(|error| Failure::new("cannot open the CSE", error))?;
    // Its own broker is here: who reads that all is ready may use it at once. That of others may be away.
    let mut bindings = JoinSet::new();
    if let Some(mqtt) = doors.mqtt_options(arguments) {
        let address = mqtt.client.address.clone();
        let refused =
            move |error| Failure::new(format_args!("the MQTT broker {address} refuses the CSE"), error);
        if doors.broker.is_some() {
            let binding = MqttBinding::connect(cse.clone(), mqtt).await.map_err(refused)?;
            let stop = stop.clone();
            bindings.spawn(async move {
                binding.serve(stop).await;
                Ok(())
            });
        } else {
            let served = serve_mqtt(cse.clone(), mqtt, stop.clone());
            bindings.spawn(async move { served.await.map_err(refused) });
        }
    }
    ready(format_args!(
        "oneM2M {}, CSE {}, data {}",
        doors.points_of_access().join(", "),
        cse.cse_id(),
        arguments.place.data.display()
    ));

    if let Some(listener) = doors.websocket.take() {
        let options =
            WebSocketOptions { message_max_bytes: arguments.body_max_bytes, ..WebSocketOptions::default() };
        let served = serve_websocket(listener, cse.clone(), options, stop.clone());
        bindings.spawn(async move {
            served.await.map_err(|error| Failure::new("the WebSocket binding ended badly", error))
        });
    }
    if let Some(socket) = doors.coap.take() {
        let options = CoapOptions { body_max_bytes: arguments.body_max_bytes, ..CoapOptions::default() };
        let served = serve_coap(socket, cse.clone(), options, stop.clone());
        bindings.spawn(async move {
            served.await.map_err(|error| Failure::new("the CoAP binding ended badly", error))
        });
    }
    let served = serve(doors.http, cse.clone(), arguments.http(), stop.clone(), REQUEST_PATIENCE);
    // The bindings end before the CSE lets go of its folder.
    let ended = tokio::select! {
        outcome = served => outcome.map_err(|error| Failure::new("the CSE ended badly", error)),
        Some(Ok(Err(failure))) = bindings.join_next() => Err(failure),
    };
    stop.cancel();
    while bindings.join_next().await.is_some() {}
    cse.shutdown(REQUEST_PATIENCE).await;
    if let Some(broker) = doors.broker {
        broker.stop().await;
    }
    ended
}

/// Where the CSE listens.
struct Doors {
    http: TcpListener,
    http_address: SocketAddr,
    broker: Option<Server>,
    websocket: Option<TcpListener>,
    websocket_address: Option<SocketAddr>,
    coap: Option<UdpSocket>,
    coap_address: Option<SocketAddr>,
    mqtt_address: Option<String>,
}

impl Doors {
    async fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let listen = arguments.place.listen;
        let http = arguments.place.bind().await?;
        let http_address = address_of(&http)?;
        let broker = match arguments.mqtt_port {
            Some(port) => {
                let listen = SocketAddr::new(listen, port);
                let options = ServerOptions { listen, ..ServerOptions::default() };
                let started = Server::start(options, Arc::new(Open)).await;
                Some(started.map_err(|error| {
                    Failure::new("cannot start the MQTT broker (choose its port with --mqtt-port)", error)
                })?)
            }
            None => None,
        };
        let websocket = match arguments.ws_port {
            Some(port) => {
                let address = SocketAddr::new(listen, port);
                Some(TcpListener::bind(address).await.map_err(|error| {
                    let what = "cannot listen for WebSocket on";
                    Failure::new(format_args!("{what} {address} (choose another with --ws-port)"), error)
                })?)
            }
            None => None,
        };
        let coap = match arguments.coap_port {
            Some(port) => {
                let address = SocketAddr::new(listen, port);
                Some(UdpSocket::bind(address).await.map_err(|error| {
                    let what = "cannot listen for CoAP on";
                    Failure::new(format_args!("{what} {address} (choose another with --coap-port)"), error)
                })?)
            }
            None => None,
        };
        let mqtt_address = match (&broker, &arguments.mqtt) {
            (Some(broker), _) => Some(broker.local_addr().to_string()),
            (None, Some(url)) => Some(url.address.clone()),
            (None, None) => None,
        };
        Ok(Self {
            http,
            http_address,
            broker,
            websocket_address: websocket.as_ref().map(address_of).transpose()?,
            websocket,
            coap_address: coap.as_ref().and_then(|socket| socket.local_addr().ok()),
            coap,
            mqtt_address,
        })
    }

    /// The addresses of all doors.
    fn points_of_access(&self) -> Vec<String> {
        let mut points = vec![format!("http://{}", self.http_address)];
        points.extend(self.mqtt_address.iter().map(|address| format!("mqtt://{address}")));
        points.extend(self.websocket_address.iter().map(|address| format!("ws://{address}")));
        points.extend(self.coap_address.iter().map(|address| format!("coap://{address}")));
        points
    }

    /// How the CSE connects to its own broker, or the given one.
    fn mqtt_options(&self, arguments: &Arguments) -> Option<MqttOptions> {
        let client = match (&self.broker, &arguments.mqtt) {
            (Some(broker), _) => {
                let address = SocketAddr::new(reachable(broker.local_addr()), broker.local_addr().port());
                ClientOptions::new(address.to_string(), arguments.mqtt_client_id())
            }
            (None, Some(url)) => arguments.mqtt_client(url),
            (None, None) => return None,
        };
        Some(MqttOptions { client, topic_id: arguments.mqtt_topic_id(), ..MqttOptions::default() })
    }
}

/// An address that listens everywhere is reached on this machine.
fn reachable(address: SocketAddr) -> std::net::IpAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    }
}
