//! Calling another service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use super::TOKEN_KEY;
use crate::correlation;

/// The longest that connecting takes before the call fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often an idle connection is asked whether it is still there, and how long the answer may take. A host that
/// vanished without a word is noticed after the two together.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// Another service, at one or more addresses. It is connected to when it is first called, and again whenever the
/// connection breaks, so that start order does not matter.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    channels: Vec<Channel>,
    next: AtomicUsize,
    token: MetadataValue<Ascii>,
    deadline: Duration,
}

impl Peer {
    /// The service at `addresses` (`host:port`), whose calls bear `token` and take `deadline` at most.
    ///
    /// # Errors
    /// There is no address, one is malformed, or the token cannot be metadata.
    pub fn new(addresses: &[String], token: &SecretString, deadline: Duration) -> anyhow::Result<Self> {
        anyhow::ensure!(!addresses.is_empty(), "a service needs an address");
        let mut token =
            MetadataValue::try_from(token.expose_secret()).context("INTERNAL_TOKEN should be visible ASCII")?;
        token.set_sensitive(true);
        let connect = |address: &String| {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))
                .with_context(|| format!("{address} should be host:port"))?;
            let (interval, timeout) = KEEPALIVE;
            Ok(endpoint
                .connect_timeout(CONNECT_TIMEOUT)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(interval)
                .keep_alive_timeout(timeout)
                .keep_alive_while_idle(true)
                .connect_lazy())
        };
        let channels = addresses.iter().map(connect).collect::<anyhow::Result<_>>()?;
        Ok(Self(Arc::new(Inner { channels, next: AtomicUsize::new(0), token, deadline })))
    }

    /// The channel for the next call: each address in its turn.
    #[must_use]
    pub fn channel(&self) -> Channel {
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.channels[turn % self.0.channels.len()].clone()
    }

    /// A request with the deadline, the internal token and the id of the request that is being handled.
    pub fn request<T>(&self, message: T) -> Request<T> {
        self.request_within(self.0.deadline, message)
    }

    /// As [`Peer::request`], with a deadline of its own where that is the earlier one.
    pub fn request_within<T>(&self, deadline: Duration, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(deadline.min(self.0.deadline));
        let metadata = request.metadata_mut();
        metadata.insert(TOKEN_KEY, self.0.token.clone());
        if let Ok(id) = MetadataValue::try_from(correlation::current().as_str()) {
            metadata.insert(correlation::HEADER, id);
        }
        request
    }
}
