//! The addresses of the services for clients.

use std::sync::{Arc, PoisonError, RwLock};

use neonchat_testbed::client::Api;

/// The addresses of the services. Shared with the clients, because instances are added and removed.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(Arc<RwLock<Ports>>);

/// The ports of the services for clients.
#[derive(Debug, Default)]
pub(super) struct Ports {
    pub(super) rest: Vec<u16>,
    pub(super) sockets: Vec<u16>,
}

impl Endpoints {
    /// Returns a REST client of a random instance of chat-service.
    pub fn api(&self, rng: &mut fastrand::Rng) -> Api {
        Api::new(self.rest(rng))
    }

    /// Returns the URL of a random instance of chat-service.
    pub fn rest(&self, rng: &mut fastrand::Rng) -> String {
        let ports = self.0.read().unwrap_or_else(PoisonError::into_inner);
        format!("http://127.0.0.1:{}", rng.choice(&ports.rest).copied().unwrap_or(0))
    }

    /// Returns the WebSocket URL of a random instance of notification-service.
    pub fn socket(&self, rng: &mut fastrand::Rng) -> String {
        let ports = self.0.read().unwrap_or_else(PoisonError::into_inner);
        format!("ws://127.0.0.1:{}", rng.choice(&ports.sockets).copied().unwrap_or(0))
    }

    /// Returns the WebSocket URL of each instance of notification-service.
    #[must_use]
    pub fn sockets(&self) -> Vec<String> {
        let ports = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ports.sockets.iter().map(|port| format!("ws://127.0.0.1:{port}")).collect()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Ports)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
