//! Polling for conditions that no event announces. The caller sets a timeout.

use std::convert::Infallible;

use tokio::time::{Duration, sleep};

/// The polling interval.
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls until the condition is true.
pub async fn until(mut is_true: impl AsyncFnMut() -> bool) {
    let Ok(()) = try_until(async || Ok::<_, Infallible>(is_true().await)).await;
}

/// Polls until the condition is true or fails.
pub async fn try_until<E>(mut is_true: impl AsyncFnMut() -> Result<bool, E>) -> Result<(), E> {
    while !is_true().await? {
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}
