//! The room that this instance has for sockets.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use neonchat_common::{
    error::{ApiError, ErrorCode},
    http::address::ClientAddress,
};
use tokio::sync::watch;

use crate::config::SocketSettings;

/// When a user or an address that has too many sockets may try again: sockets rarely close within a second.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The places of this instance.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    /// 0 for any number.
    max_per_address: usize,
    taken: Arc<watch::Sender<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<ClientAddress, usize>,
    is_closed: bool,
}

/// Room for one socket. It is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<watch::Sender<Taken>>,
    address: ClientAddress,
}

impl Places {
    pub(crate) fn new(settings: SocketSettings) -> Self {
        let SocketSettings { max_connections: max, max_connections_per_address: max_per_address, .. } = settings;
        Self { max, max_per_address, taken: Arc::default() }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// Every place is taken, or every place of this address.
    pub(crate) fn take(&self, address: ClientAddress) -> Result<Place, ApiError> {
        let mut taken = Ok(());
        self.taken.send_if_modified(|places| {
            taken = self.take_of(places, address);
            taken.is_ok()
        });
        taken?;
        metrics::gauge!("websocket_connections_current").increment(1);
        Ok(Place { taken: Arc::clone(&self.taken), address })
    }

    fn take_of(&self, places: &mut Taken, address: ClientAddress) -> Result<(), ApiError> {
        if places.is_closed || places.all >= self.max {
            return Err(ApiError::unavailable("WebSocket of this instance", "it is full, or draining"));
        }
        let here = places.by_address.get(&address).copied().unwrap_or_default();
        if self.max_per_address > 0 && here >= self.max_per_address {
            let detail = format!("An address has at most {} sockets.", self.max_per_address);
            return Err(ApiError { retry_after: Some(RETRY_AFTER), ..ApiError::new(ErrorCode::RateLimited, detail) });
        }
        places.all += 1;
        places.by_address.insert(address, here + 1);
        Ok(())
    }

    /// Gives no more of them.
    pub(crate) fn close(&self) {
        self.taken.send_modify(|places| places.is_closed = true);
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.borrow().all
    }

    /// Waits until none is.
    pub(crate) async fn until_all_free(&self) {
        // The sender lives as long as this does.
        let _ = self.taken.subscribe().wait_for(|places| places.all == 0).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.send_modify(|places| {
            places.all -= 1;
            if let Entry::Occupied(mut here) = places.by_address.entry(self.address) {
                *here.get_mut() -= 1;
                if *here.get() == 0 {
                    here.remove();
                }
            }
        });
        metrics::gauge!("websocket_connections_current").decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const SETTINGS: SocketSettings = SocketSettings {
        max_connections: 3,
        max_connections_per_user: 0,
        max_connections_per_address: 2,
        messages_per_second: 0,
        heartbeat: Duration::from_secs(30),
        read_timeout: Duration::from_mins(1),
        write_timeout: Duration::from_secs(10),
    };

    fn address(last: u8) -> ClientAddress {
        ClientAddress::of(IpAddr::from(Ipv4Addr::new(192, 0, 2, last)))
    }

    #[test]
    fn an_address_has_so_many_places_and_all_have_so_many() {
        let places = Places::new(SETTINGS);
        let held: Vec<_> = [1, 1, 2].into_iter().map(|last| places.take(address(last)).expect("a place")).collect();
        assert_eq!(places.take(address(1)).expect_err("full").code, ErrorCode::Unavailable);
        drop(held);
        let _held = [(); 2].map(|()| places.take(address(1)).expect("a place"));
        let refused = places.take(address(1)).expect_err("too many");
        assert_eq!((refused.code, refused.retry_after), (ErrorCode::RateLimited, Some(RETRY_AFTER)));
        places.take(address(2)).expect("a place");
        assert_eq!((places.taken(), places.taken.borrow().by_address.len()), (2, 1));
        places.close();
        assert_eq!(places.take(address(2)).expect_err("closed").code, ErrorCode::Unavailable);
    }
}
