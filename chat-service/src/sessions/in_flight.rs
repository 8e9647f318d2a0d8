//! Refreshes that are under way.
//!
//! Many requests may bring the same refresh token at once. They share one transaction: each would wait for the lock of the same row, and
//! occupy a connection meanwhile.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

use super::{error::SessionError, model::Refreshed, refresh_token::RefreshToken};

/// What came of a refresh, for all who wait for it.
pub(super) type Outcome = Result<Refreshed, Arc<SessionError>>;

type Work = Shared<BoxFuture<'static, Outcome>>;

/// The refreshes that are under way.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<RefreshToken, Work>>>);

impl InFlight {
    /// Returns the outcome of the refresh that is under way, or of one that `begin` begins. Also returns whether it is a new one. The
    /// new one has to hold the [`Entry`] until its end.
    pub(super) async fn join(
        &self,
        token: RefreshToken,
        begin: impl FnOnce(Entry) -> BoxFuture<'static, Outcome>,
    ) -> (Outcome, bool) {
        let (work, is_new) = {
            let mut known = self.lock();
            if let Some(work) = known.get(&token) {
                (work.clone(), false)
            } else {
                let work = begin(Entry { in_flight: self.clone(), token }).shared();
                known.insert(token, work.clone());
                (work, true)
            }
        };
        (work.await, is_new)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RefreshToken, Work>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refresh in the list. Dropping it, also after a panic, removes it.
pub(super) struct Entry {
    in_flight: InFlight,
    token: RefreshToken,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.in_flight.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use neonchat_common::{ids::SessionId, tasks::Tasks};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn concurrent_refreshes_with_a_token_share_one() {
        let (in_flight, token) = (InFlight::default(), RefreshToken { session: SessionId::new(), counter: 0 });
        let (finish, finished) = oneshot::channel::<()>();
        let mut finished = Some(finished);
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let finished = finished.take();
                let begin = move |entry| {
                    let work = async move {
                        let _entry = entry;
                        finished.expect("the first call begins").await.expect("finish");
                        Ok(Refreshed::Ended)
                    };
                    work.boxed()
                };
                let in_flight = in_flight.clone();
                async move { in_flight.join(token, begin).await }.boxed()
            })
            .collect();
        let calls = Tasks::new().spawn(join_all(calls));
        while in_flight.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        finish.send(()).expect("finish");
        let is_new: Vec<_> = calls.await.expect("join task").into_iter().map(|(_, is_new)| is_new).collect();
        assert_eq!(is_new, [true, false, false]);
        assert!(in_flight.lock().is_empty());
    }
}
