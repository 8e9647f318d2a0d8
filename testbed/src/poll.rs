//! Waiting for what tells nobody when it changes. The caller bounds the wait.

use std::convert::Infallible;

use tokio::time::{Duration, sleep};

/// Pauses between two looks.
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Looks until it is true.
pub async fn until(mut is_true: impl AsyncFnMut() -> bool) {
    let Ok(()) = try_until(async || Ok::<_, Infallible>(is_true().await)).await;
}

/// Looks until it is true, or cannot be told.
pub async fn try_until<E>(mut is_true: impl AsyncFnMut() -> Result<bool, E>) -> Result<(), E> {
    while !is_true().await? {
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}
