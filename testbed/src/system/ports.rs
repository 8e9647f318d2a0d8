//! The ports and listen addresses of the services.

use neonchat_common::settings::SettingsSource;

use crate::port;

/// The settings with the listen addresses of the services.
pub(crate) const HOSTS: [&str; 6] = [
    "CHAT_SERVICE_HOST",
    "CHAT_GRPC_HOST",
    "CHAT_METRICS_HOST",
    "NOTIFICATION_SERVICE_HOST",
    "NOTIFICATION_GRPC_HOST",
    "NOTIFICATION_METRICS_HOST",
];

/// The listen address here. The secrets of tests are public, so no other machine may connect.
pub(crate) const THIS_MACHINE: &str = "127.0.0.1";

/// The ports of the services.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// `CHAT_SERVICE_PORT`: REST.
    pub rest: u16,
    /// `CHAT_GRPC_PORT`
    pub chat_grpc: u16,
    /// `NOTIFICATION_GRPC_PORT`
    pub notification_grpc: u16,
    /// `NOTIFICATION_WS_PORT`: WebSocket.
    pub websocket: u16,
    /// `CHAT_METRICS_PORT`: the operations port of chat-service, if it is not the REST port.
    pub chat_operations: Option<u16>,
    /// `NOTIFICATION_METRICS_PORT`: the operations port of notification-service, if it is not the WebSocket port.
    pub notification_operations: Option<u16>,
}

impl Ports {
    /// Returns the configured ports. The defaults are those of the contract.
    pub fn configured(source: &mut SettingsSource) -> Self {
        Self {
            rest: source.port("CHAT_SERVICE_PORT", 8080),
            chat_grpc: source.port("CHAT_GRPC_PORT", 8083),
            notification_grpc: source.port("NOTIFICATION_GRPC_PORT", 8081),
            websocket: source.port("NOTIFICATION_WS_PORT", 8082),
            chat_operations: source.optional_port("CHAT_METRICS_PORT"),
            notification_operations: source.optional_port("NOTIFICATION_METRICS_PORT"),
        }
    }

    /// Reserves four ports.
    ///
    /// # Errors
    /// No port is free.
    pub fn reserve() -> anyhow::Result<Self> {
        Ok(Self {
            rest: port::reserve()?,
            chat_grpc: port::reserve()?,
            notification_grpc: port::reserve()?,
            websocket: port::reserve()?,
            chat_operations: None,
            notification_operations: None,
        })
    }

    /// Returns each port with the name of its setting.
    #[must_use]
    pub const fn named(self) -> [(&'static str, u16); 4] {
        [
            ("CHAT_SERVICE_PORT", self.rest),
            ("CHAT_GRPC_PORT", self.chat_grpc),
            ("NOTIFICATION_GRPC_PORT", self.notification_grpc),
            ("NOTIFICATION_WS_PORT", self.websocket),
        ]
    }

    const fn operations(self) -> [(&'static str, Option<u16>); 2] {
        [("CHAT_METRICS_PORT", self.chat_operations), ("NOTIFICATION_METRICS_PORT", self.notification_operations)]
    }

    /// Returns the port on which chat-service answers `/ready`.
    #[must_use]
    pub fn chat_ready(self) -> u16 {
        self.chat_operations.unwrap_or(self.rest)
    }

    /// Returns the port on which notification-service answers `/ready`.
    #[must_use]
    pub fn notification_ready(self) -> u16 {
        self.notification_operations.unwrap_or(self.websocket)
    }

    pub(super) fn environment(self) -> Vec<(&'static str, String)> {
        let mut variables: Vec<_> = self.named().map(|(name, port)| (name, port.to_string())).into();
        variables.extend(HOSTS.map(|name| (name, THIS_MACHINE.to_owned())));
        for (name, port) in self.operations() {
            variables.extend(port.map(|port| (name, port.to_string())));
        }
        variables.push(("CHAT_SERVICE_ADDR", format!("127.0.0.1:{}", self.chat_grpc)));
        variables.push(("NOTIFICATION_SERVICE_ADDR", format!("127.0.0.1:{}", self.notification_grpc)));
        variables
    }
}
