//! The connection slots of this instance: the limits on sockets in total and per client address.

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

/// The `Retry-After` of a user or an address with too many sockets: sockets rarely close within a second.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The `Retry-After` of an instance that is at capacity: another instance may have room.
const AT_CAPACITY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Returns the error for a handshake that this instance has no capacity for. It has no cause to log, because no dependency failed.
pub(crate) fn at_capacity(detail: &'static str) -> ApiError {
    ApiError { retry_after: Some(AT_CAPACITY_RETRY_AFTER), ..ApiError::new(ErrorCode::Unavailable, detail) }
}

/// The slots of this instance.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    max: usize,
    /// 0 means no limit.
    max_per_address: usize,
    usage: Arc<watch::Sender<Usage>>,
}

#[derive(Debug, Default)]
struct Usage {
    total: usize,
    by_address: HashMap<ClientAddress, usize>,
    is_closed: bool,
}

/// A slot for one socket. Dropping it releases the slot.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    usage: Arc<watch::Sender<Usage>>,
    address: ClientAddress,
}

impl ConnectionSlots {
    pub(crate) fn new(settings: SocketSettings) -> Self {
        let SocketSettings { max_connections: max, max_connections_per_address: max_per_address, .. } = settings;
        Self { max, max_per_address, usage: Arc::default() }
    }

    /// Acquires a slot.
    ///
    /// # Errors
    /// Fails if all slots, or all slots of this address, are in use.
    pub(crate) fn acquire(&self, address: ClientAddress) -> Result<ConnectionSlot, ApiError> {
        let mut acquired = Ok(());
        self.usage.send_if_modified(|usage| {
            acquired = self.try_acquire(usage, address);
            acquired.is_ok()
        });
        acquired?;
        metrics::gauge!("websocket_connections_current").increment(1);
        Ok(ConnectionSlot { usage: Arc::clone(&self.usage), address })
    }

    fn try_acquire(&self, usage: &mut Usage, address: ClientAddress) -> Result<(), ApiError> {
        if usage.is_closed || usage.total >= self.max {
            return Err(at_capacity("This instance has no free connection slot. Reconnect in a moment."));
        }
        let in_use = usage.by_address.get(&address).copied().unwrap_or(0);
        if self.max_per_address > 0 && in_use >= self.max_per_address {
            let detail = format!("An address has at most {} sockets.", self.max_per_address);
            return Err(ApiError { retry_after: Some(RETRY_AFTER), ..ApiError::new(ErrorCode::RateLimited, detail) });
        }
        usage.total += 1;
        usage.by_address.insert(address, in_use + 1);
        Ok(())
    }

    /// Refuses further slots.
    pub(crate) fn close(&self) {
        self.usage.send_modify(|usage| usage.is_closed = true);
    }

    /// Returns the number of slots in use.
    pub(crate) fn in_use(&self) -> usize {
        self.usage.borrow().total
    }

    /// Waits until no slot is in use.
    pub(crate) async fn until_all_released(&self) {
        // This owns the sender, so the channel cannot close.
        let _ = self.usage.subscribe().wait_for(|usage| usage.total == 0).await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.usage.send_modify(|usage| {
            usage.total -= 1;
            if let Entry::Occupied(mut in_use) = usage.by_address.entry(self.address) {
                *in_use.get_mut() -= 1;
                if *in_use.get() == 0 {
                    in_use.remove();
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

    const SETTINGS: SocketSettings =
        SocketSettings { max_connections: 3, max_connections_per_address: 2, ..SocketSettings::WITHOUT_LIMITS };

    fn address(last: u8) -> ClientAddress {
        ClientAddress::of(IpAddr::from(Ipv4Addr::new(192, 0, 2, last)))
    }

    #[test]
    fn limits_slots_in_total_and_per_address() {
        let slots = ConnectionSlots::new(SETTINGS);
        let held: Vec<_> = [1, 1, 2].map(|last| slots.acquire(address(last)).expect("acquire slot")).into();
        let refused = slots.acquire(address(1)).expect_err("exceed total");
        assert_eq!((refused.code, refused.cause), (ErrorCode::Unavailable, None));
        drop(held);
        let _held = [(); 2].map(|()| slots.acquire(address(1)).expect("acquire slot"));
        let refused = slots.acquire(address(1)).expect_err("exceed limit of address");
        assert_eq!((refused.code, refused.retry_after), (ErrorCode::RateLimited, Some(RETRY_AFTER)));
        slots.acquire(address(2)).expect("acquire slot");
        assert_eq!((slots.in_use(), slots.usage.borrow().by_address.len()), (2, 1));
        slots.close();
        assert_eq!(slots.acquire(address(2)).expect_err("acquire after close").code, ErrorCode::Unavailable);
    }
}
